"""Which build of a service is running, as a metric of value 1."""

from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector


def export_build_info(registry: CollectorRegistry, service: str, version: str, revision: str) -> None:
    """Adds ``build_info`` and what prometheus-client tells of the process: memory, processor time, open files."""
    gauge = Gauge("build_info", "Which build is running", ["service", "version", "revision"], registry=registry)
    gauge.labels(service, version, revision).set(1)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
