"""What watches the running system: metrics, dashboards, alert rules."""
