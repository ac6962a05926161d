"""Builds stream-getter from its parts: the one place that knows them all."""

import os
import random
from collections.abc import Mapping
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.build_info import export_build_info
from pipeline.lifecycle import Lifecycle
from pipeline.logs import OccasionalLog
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from pipeline.state_places import open_state_store
from pipeline.state_s3 import READ_TIMEOUT
from pipeline.telemetry import TelemetryServer
from pipeline.watchdog import LIMIT_SECONDS, Watchdog
from stream_getter import __version__
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from stream_getter.notices import Notices
from stream_getter.settings import Settings
from stream_getter.source import Source, Surroundings, startup_trouble
from stream_getter.sources import SOURCES
from stream_getter.trace_ids import TraceIds

#: Bytes of notices that may wait for their queue.
_NOTICES_BYTES = 1024 * 1024
#: Seconds of the drain that are kept for the source's own end.
_CLOSE_SECONDS = 4.0
_STARTING = "not started yet"


def run(settings: Settings, environ: Mapping[str, str]) -> int:
    """Builds the parts and runs them until SIGTERM or the source's end; the exit code. Raises UserMistake."""
    registry = CollectorRegistry()
    metrics, queue_metrics = Metrics(registry), QueueMetrics(registry)
    export_build_info(registry, "stream-getter", __version__, settings.revision)
    lifecycle = Lifecycle(watchdog=Watchdog(registry))
    occasionally = OccasionalLog()
    rng = random.Random()
    state = open_state_store(
        settings.state,
        "stream-getter",
        lambda: aws_client("s3", settings.aws_region, read_timeout=READ_TIMEOUT),
        rng,
    )
    notices = Notices(None, _now)
    sources: list[Source] = []
    writers: dict[str, QueueWriter] = {}
    checks = {
        "stream": lambda: sources[0].trouble() if sources else _STARTING,
        "posts queue": lambda: writers["posts"].state.trouble() if writers else _STARTING,
    }
    if settings.alerts_queue_url:
        checks["alerts queue"] = lambda: writers["alerts"].state.trouble() if writers else _STARTING
    stuck = lifecycle.watchdog.stuck
    TelemetryServer(
        settings.telemetry_host,
        settings.telemetry_port,
        registry,
        checks,
        stuck,
        startup_checks={"stream": lambda: startup_trouble(sources[0]) if sources else _STARTING},
    )
    # before the writers, for a mistake in its settings is to be the only line
    source = SOURCES[settings.source](
        Surroundings(
            environ=environ,
            metrics=metrics,
            stopping=lifecycle.stopping,
            state=state,
            notices=notices,
            occasionally=occasionally,
            now=_now,
            new_trace_id=TraceIds(os.urandom),
            rng=rng,
        )
    )
    sqs = aws_client("sqs", settings.aws_region)

    def writer_of(url: str, name: str, max_bytes: int, senders: int) -> QueueWriter:
        return QueueWriter(
            sqs,
            url,
            name,
            queue_metrics,
            Backoff(0.1, 10.0, rng),
            senders=senders,
            max_buffered_bytes=max_bytes,
            watchdog=lifecycle.watchdog,
        )

    posts = writer_of(settings.posts_queue_url, "posts", settings.max_buffered_mb * 1024 * 1024, 2)
    alerts = writer_of(settings.alerts_queue_url, "alerts", _NOTICES_BYTES, 1) if settings.alerts_queue_url else None
    if alerts:
        notices.send_by(alerts)
    sources.append(source)
    writers |= {"posts": posts} | ({"alerts": alerts} if alerts else {})
    recent = RecentIds(max_bytes=settings.remembered_mb * 1024 * 1024)
    tells_each = settings.log_level == "DEBUG"
    forwarder = Forwarder(source, posts, recent, metrics, occasionally, tells_each=tells_each)
    return lifecycle.run(
        {"forwarder": forwarder.run},
        on_stop=[source.stop, *(writer.refuse_when_full for writer in writers.values())],
        drain=[
            lambda left: posts.close(left - _CLOSE_SECONDS),
            lambda left: alerts.close(left - _CLOSE_SECONDS / 2) if alerts else None,
            source.close,
            lambda _left: state.close(),
        ],
        # a source may be silent for so long before it looks whether it is to stop
        limits={"forwarder": source.silence_seconds + LIMIT_SECONDS},
    )


def _now() -> datetime:
    return datetime.now(UTC)
