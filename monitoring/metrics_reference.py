"""docs/metrics.md from the code: python -m monitoring.metrics_reference > docs/metrics.md."""

import sys
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import classifier.metrics
import notifier.metrics
import stream_getter.metrics
import zero_shot_model.metrics
from pipeline.build_info import export_build_info
from pipeline.config_watch import ConfigMetrics
from pipeline.queue_metrics import QueueMetrics
from pipeline.watchdog import Watchdog

_INTRODUCTION = """# Metrics

Generated from the code by `make docs`. Every service serves them on `GET /metrics`, port 9100 in its container.
Counters end in `_total`; a histogram has `_bucket`, `_sum` and `_count`. Beside these, prometheus-client tells of the
process: `process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds`, `python_info`.
"""

_SECTIONS: Mapping[str, Callable[[CollectorRegistry], object]] = {
    "Queues (every service, for the queues that it reads or writes)": QueueMetrics,
    "stream-getter": stream_getter.metrics.Metrics,
    "classifier": classifier.metrics.Metrics,
    "notifier": notifier.metrics.Metrics,
    "model (our own endpoint, on the port that it answers on)": lambda registry: _of_the_model(registry),
    "The configuration (classifier, notifier)": ConfigMetrics,
    "Every service": lambda registry: _of_every_service(registry),
}


def _of_every_service(registry: CollectorRegistry) -> None:
    export_build_info(registry, "service", "0", "0")
    Watchdog(registry)


def _of_the_model(registry: CollectorRegistry) -> None:
    zero_shot_model.metrics.RequestMetrics(registry)
    zero_shot_model.metrics.EncoderMetrics(registry)


def own_metrics(build: Callable[[CollectorRegistry], object]) -> list[MetricWrapperBase]:
    """The metrics that ``build`` makes, without those of the process and the platform, by name."""
    registry = CollectorRegistry()
    build(registry)
    made = {collector for collector in registry._collector_to_names if isinstance(collector, MetricWrapperBase)}
    return sorted(made, key=lambda metric: metric._name)


def exported_name(metric: MetricWrapperBase) -> str:
    """The name as it stands in a query; for a histogram without the suffixes of its series."""
    return f"{metric._name}_total" if metric._type == "counter" else str(metric._name)


def reference() -> str:
    """The whole page."""
    lines = [_INTRODUCTION]
    for title, build in _SECTIONS.items():
        lines += [f"## {title}", "", "| metric | kind | labels | meaning |", "|---|---|---|---|"]
        for metric in own_metrics(build):
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            lines.append(f"| `{exported_name(metric)}` | {metric._type} | {labels} | {metric._documentation} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(reference())
