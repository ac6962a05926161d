"""Builds notifier from its parts: the one place that knows them all."""

import random
import sys
import uuid
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from notifier import __version__
from notifier.alert_loop import AlertLoop
from notifier.channel_worker import ChannelWorker
from notifier.channels.factory import build_channels
from notifier.delivery_loop import DeliveryLoop
from notifier.metrics import Metrics
from notifier.postponement import Postponement
from notifier.routing import Router
from notifier.settings import Settings
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.build_info import export_build_info
from pipeline.config_at_start import config_at_start
from pipeline.config_places import ConfigPlaces
from pipeline.lifecycle import Lifecycle
from pipeline.logs import OccasionalLog
from pipeline.queue_depth import QueueDepth
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import GIVE_BACK_SECONDS, QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from pipeline.telemetry import TelemetryServer

#: Deliveries remembered for each channel, so that a repeat is not delivered twice; some 150 bytes each.
REMEMBERED_DELIVERIES = 50_000


def _now() -> datetime:
    return datetime.now(UTC)


def run(settings: Settings) -> int:
    """Builds the parts and runs them until SIGTERM; the exit code. Raises UserMistake and Unavailable."""
    rng = random.Random()
    places = ConfigPlaces(settings.alerts_config, lambda: aws_client("s3", settings.aws_region))
    in_force = config_at_start(places, Backoff(0.5, 10.0, rng))
    config = in_force.config
    registry = CollectorRegistry()
    export_build_info(registry, "notifier", __version__, settings.revision)
    metrics, queue_metrics = Metrics(registry), QueueMetrics(registry)
    lifecycle = Lifecycle()
    channels = build_channels(config, in_force.document.place, settings, sys.stdout)
    sqs = aws_client("sqs", settings.aws_region, connections=len(channels) + 6)

    def reader(name: str, url: str, dead_letter_url: str) -> QueueReader:
        backoff = Backoff(0.1, 10.0, rng)
        return QueueReader(sqs, url, dead_letter_url, name, "notifier", queue_metrics, backoff, lifecycle.stopping)

    alerts = reader("alerts", settings.alerts_queue_url, settings.alerts_dead_letter_queue_url)
    deliveries = reader("deliveries", settings.deliveries_queue_url, settings.deliveries_dead_letter_queue_url)
    writer = QueueWriter(sqs, settings.deliveries_queue_url, "deliveries", queue_metrics, Backoff(0.1, 10.0, rng))
    lifetime = timedelta(seconds=settings.delivery_lifetime_seconds)
    router = Router(config, lifetime, _now, new_id=lambda: uuid.uuid4().hex)
    postponement = Postponement(deliveries, writer)
    occasionally = OccasionalLog()
    workers = {
        name: ChannelWorker(
            name,
            channel,
            deliveries,
            postponement,
            RecentIds(REMEMBERED_DELIVERIES),
            metrics,
            lifecycle.stopping,
            _now,
            rng,
            occasionally,
        )
        for name, channel in channels.items()
    }
    checks = {
        "alerts queue": alerts.state.trouble,
        "deliveries queue": deliveries.state.trouble,
        "deliveries queue, sending": writer.state.trouble,
    }
    TelemetryServer(settings.telemetry_host, settings.telemetry_port, registry, checks)
    in_force.tell()
    queues = {
        "alerts": settings.alerts_queue_url,
        "alerts-dlq": settings.alerts_dead_letter_queue_url,
        "deliveries": settings.deliveries_queue_url,
        "deliveries-dlq": settings.deliveries_dead_letter_queue_url,
    }
    depth = QueueDepth(sqs, queues, queue_metrics, lifecycle.stopping)
    return lifecycle.run(
        {
            "alerts": AlertLoop(alerts, writer, router, metrics, lifecycle.stopping).run,
            "deliveries": DeliveryLoop(deliveries, postponement, workers, lifecycle.stopping, _now).run,
            **{f"channel {name}": worker.run for name, worker in workers.items()},
        },
        background={"queue depth": depth.run},
        on_stop=[writer.refuse_when_full],
        # giving back takes its share of the time even where the writer's queue is away
        drain=[
            lambda left: writer.close(left - 2 * GIVE_BACK_SECONDS),
            lambda _left: alerts.close(),
            lambda _left: deliveries.close(),
        ],
    )
