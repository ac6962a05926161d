"""The source of Grafana's dashboards: ``python -m monitoring.dashboards`` writes monitoring/grafana/dashboards."""
