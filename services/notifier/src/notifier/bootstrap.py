"""Builds notifier from its parts: the one place that knows them all."""

import random
import sys
import uuid
from collections.abc import Container, Mapping
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from notifier import __version__
from notifier.alert_loop import AlertLoop
from notifier.channel_worker import ChannelWorker
from notifier.channel_workers import ChannelWorkers
from notifier.channels.contract import Channel
from notifier.channels.factory import build_channels
from notifier.delivery_loop import DeliveryLoop
from notifier.metrics import Metrics
from notifier.postponement import Postponement
from notifier.reload import Reload, loop_of
from notifier.routing import Router
from notifier.settings import Settings
from pipeline.alerts_config import AlertsConfig
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.build_info import export_build_info
from pipeline.config_at_start import config_at_start
from pipeline.config_places import ConfigPlaces
from pipeline.config_watch import ConfigMetrics, ConfigWatch
from pipeline.lifecycle import Lifecycle
from pipeline.logs import OccasionalLog
from pipeline.queue_depth import QueueDepth
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import GIVE_BACK_SECONDS, QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from pipeline.telemetry import TelemetryServer
from pipeline.watchdog import Watchdog

#: Deliveries remembered for each channel, so that a repeat is not delivered twice; some 150 bytes each.
REMEMBERED_DELIVERIES = 50_000
#: Connections to SQS that are kept: some for each loop, and for channels that a new configuration brings.
_CONNECTIONS = 50


def _now() -> datetime:
    return datetime.now(UTC)


def run(settings: Settings) -> int:
    """Builds the parts and runs them until SIGTERM; the exit code. Raises UserMistake and Unavailable."""
    rng = random.Random()
    places = ConfigPlaces(
        settings.alerts_config,
        lambda: aws_client("s3", settings.aws_region),
        lambda: aws_client("ssm", settings.aws_region),
    )
    in_force = config_at_start(places, Backoff(0.5, 10.0, rng))
    config = in_force.config
    registry = CollectorRegistry()
    export_build_info(registry, "notifier", __version__, settings.revision)
    metrics, queue_metrics = Metrics(registry), QueueMetrics(registry)
    lifecycle = Lifecycle(watchdog=Watchdog(registry))

    def build(config: AlertsConfig, place: str, besides: Container[str] = ()) -> Mapping[str, Channel]:
        return build_channels(config, place, settings, sys.stdout, besides)

    channels = build(config, in_force.document.place)
    sqs = aws_client("sqs", settings.aws_region, connections=_CONNECTIONS)

    def reader(name: str, url: str, dead_letter_url: str) -> QueueReader:
        return QueueReader(
            sqs,
            url,
            dead_letter_url,
            name,
            "notifier",
            queue_metrics,
            Backoff(0.1, 10.0, rng),
            lifecycle.stopping,
            watchdog=lifecycle.watchdog,
        )

    alerts = reader("alerts", settings.alerts_queue_url, settings.alerts_dead_letter_queue_url)
    deliveries = reader("deliveries", settings.deliveries_queue_url, settings.deliveries_dead_letter_queue_url)
    writer = QueueWriter(
        sqs,
        settings.deliveries_queue_url,
        "deliveries",
        queue_metrics,
        Backoff(0.1, 10.0, rng),
        watchdog=lifecycle.watchdog,
    )
    lifetime = timedelta(seconds=settings.delivery_lifetime_seconds)
    router = Router(config, lifetime, _now, new_id=lambda: uuid.uuid4().hex)
    postponement = Postponement(deliveries, writer)
    occasionally = OccasionalLog()

    def hire(name: str, channel: Channel) -> ChannelWorker:
        return ChannelWorker(
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

    workers = ChannelWorkers(hire)
    workers.put(channels)
    alert_loop = AlertLoop(alerts, writer, router, metrics, lifecycle.stopping)
    watch = ConfigWatch(
        places,
        in_force,
        Reload(config, build, workers, router, lifecycle.add),
        ConfigMetrics(registry),
        lifecycle.stopping,
        settings.config_reload_seconds,
        "notifier",
        _now,
        # it is the service that knows the ops route, and runs once
        tell=alert_loop.announce,
    )
    checks = {
        "alerts queue": alerts.state.trouble,
        "deliveries queue": deliveries.state.trouble,
        "deliveries queue, sending": writer.state.trouble,
    }
    stuck = lifecycle.watchdog.stuck
    TelemetryServer(settings.telemetry_host, settings.telemetry_port, registry, checks, stuck)
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
            "alerts": alert_loop.run,
            "deliveries": DeliveryLoop(deliveries, postponement, workers.by_name, lifecycle.stopping, _now).run,
            **{loop_of(name): worker.run for name, worker in workers.by_name.items()},
        },
        background={"queue depth": depth.run, "configuration": watch.run},
        on_stop=[writer.refuse_when_full],
        # giving back takes its share of the time even where the writer's queue is away
        drain=[
            lambda left: writer.close(left - 2 * GIVE_BACK_SECONDS),
            lambda _left: alerts.close(),
            lambda _left: deliveries.close(),
        ],
    )
