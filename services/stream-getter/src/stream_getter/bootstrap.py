"""Builds stream-getter from its parts: the one place that knows them all."""

import random
import uuid
from datetime import UTC, datetime

import requests
from prometheus_client import CollectorRegistry

from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.build_info import export_build_info
from pipeline.lifecycle import Lifecycle
from pipeline.logs import OccasionalLog
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from pipeline.telemetry import TelemetryServer
from pipeline.watchdog import LIMIT_SECONDS, Watchdog
from stream_getter import __version__
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from stream_getter.reconnect import ReconnectPolicy
from stream_getter.settings import Settings
from stream_getter.x_stream import XStream


def run(settings: Settings) -> int:
    """Builds the parts and runs them until SIGTERM; the exit code. Raises UserMistake."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    export_build_info(registry, "stream-getter", __version__, settings.revision)
    lifecycle = Lifecycle(watchdog=Watchdog(registry))
    occasionally = OccasionalLog()
    source = XStream(
        requests.Session(),
        settings.x_api_url,
        settings.x_bearer_token,
        settings.stall_seconds,
        metrics,
        ReconnectPolicy(),
        lifecycle.stopping,
        now=lambda: datetime.now(UTC),
        new_trace_id=lambda: uuid.uuid4().hex,
        occasionally=occasionally,
        backfill_minutes=settings.x_backfill_minutes,
    )
    writer = QueueWriter(
        aws_client("sqs", settings.aws_region),
        settings.posts_queue_url,
        "posts",
        QueueMetrics(registry),
        Backoff(0.1, 10.0, random.Random()),
        max_buffered_bytes=settings.max_buffered_mb * 1024 * 1024,
        watchdog=lifecycle.watchdog,
    )
    checks = {"stream": source.trouble, "posts queue": writer.state.trouble}
    stuck = lifecycle.watchdog.stuck
    TelemetryServer(settings.telemetry_host, settings.telemetry_port, registry, checks, stuck)
    forwarder = Forwarder(source, writer, RecentIds(settings.remembered_ids), metrics, occasionally)
    return lifecycle.run(
        {"forwarder": forwarder.run},
        on_stop=[source.stop, writer.refuse_when_full],
        drain=[writer.close],
        # a stream may be silent for so long before it counts as broken
        limits={"forwarder": settings.stall_seconds + LIMIT_SECONDS},
    )
