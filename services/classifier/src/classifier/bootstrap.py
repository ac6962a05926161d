"""Builds classifier from its parts: the one place that knows them all."""

import random
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from classifier import __version__
from classifier.in_hand import InHand
from classifier.intake import Intake, pause_while_none_is_up
from classifier.judging import Judging
from classifier.labels import Labels
from classifier.metrics import Metrics
from classifier.outcomes import Outcomes
from classifier.settings import Settings
from classifier.tuning import warn_of_thresholds_for_another_model
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.build_info import export_build_info
from pipeline.config_at_start import ConfigInForce, config_at_start
from pipeline.config_places import ConfigPlaces
from pipeline.config_watch import ConfigMetrics, ConfigWatch
from pipeline.lifecycle import Lifecycle
from pipeline.queue_depth import QueueDepth
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import GIVE_BACK_SECONDS, QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.telemetry import TelemetryServer
from pipeline.watchdog import Watchdog

#: Posts in hand beyond those that calls have room for: what waits for the next call, and for alerts to be accepted.
_BETWEEN = 200
#: Bytes of messages in hand, whose posts are held beside them.
_BYTES_IN_HAND = 16 * 1024 * 1024
#: Seconds that a deletion waits for others: nobody sees it, and a full batch costs a call as one message does.
_DELETION_LINGER = 0.2
#: Seconds that an alert waits for others: those of one answer come together, and the next answer may be long in coming.
_ALERT_LINGER = 0.002


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
    export_build_info(registry, "classifier", __version__, settings.revision)
    metrics, queue_metrics = Metrics(registry), QueueMetrics(registry)
    lifecycle = Lifecycle(watchdog=Watchdog(registry))
    # three threads of the reader, two of the writer, callers that give up a message, intake, queue depth
    sqs = aws_client("sqs", settings.aws_region, connections=settings.workers + 7)
    reader = QueueReader(
        sqs,
        settings.posts_queue_url,
        settings.posts_dead_letter_queue_url,
        "posts",
        "classifier",
        queue_metrics,
        Backoff(0.1, 10.0, rng),
        lifecycle.stopping,
        linger_seconds=_DELETION_LINGER,
        watchdog=lifecycle.watchdog,
    )
    writer = QueueWriter(
        sqs,
        settings.alerts_queue_url,
        "alerts",
        queue_metrics,
        Backoff(0.1, 10.0, rng),
        linger_seconds=_ALERT_LINGER,
        watchdog=lifecycle.watchdog,
    )
    judging = Judging(settings, Labels(config), metrics, rng, lifecycle.stopping)
    in_hand = InHand(2 * settings.workers * settings.batch_texts + _BETWEEN, _BYTES_IN_HAND)
    metrics.posts_in_hand.set_function(lambda: float(in_hand.count))
    outcomes = Outcomes(reader, writer, in_hand, metrics, _now)
    intake = Intake(reader, judging.desk, outcomes, in_hand, judging.lines, lifecycle.stopping)
    pause_while_none_is_up(judging.lines, reader)

    def warn_of_thresholds(of: ConfigInForce) -> None:
        for model in filter(None, (settings.model, settings.fallback_model)):
            warn_of_thresholds_for_another_model(of.config.tuned_for, model, of.document.place)

    def bring_into_force(new: ConfigInForce) -> None:
        outcomes.settle(judging.desk.change(Labels(new.config)))
        warn_of_thresholds(new)

    watch = ConfigWatch(
        places,
        in_force,
        bring_into_force,
        ConfigMetrics(registry),
        lifecycle.stopping,
        settings.config_reload_seconds,
        "classifier",
        _now,
    )
    checks = {
        "posts queue": reader.state.trouble,
        "alerts queue": writer.state.trouble,
        "model endpoint": judging.trouble,
    }
    stuck = lifecycle.watchdog.stuck
    TelemetryServer(settings.telemetry_host, settings.telemetry_port, registry, checks, stuck)
    in_force.tell()
    warn_of_thresholds(in_force)
    queues = {"posts": settings.posts_queue_url, "posts-dlq": settings.posts_dead_letter_queue_url}
    depth = QueueDepth(sqs, queues, queue_metrics, lifecycle.stopping)
    return lifecycle.run(
        {"intake": intake.run, **judging.callers(outcomes)},
        background={"queue depth": depth.run, "configuration": watch.run, **judging.probers()},
        on_stop=[writer.refuse_when_full, lambda: outcomes.give_back(judging.desk.close())],
        # giving back takes its share of the time even where the writer's queue is away
        drain=[lambda left: writer.close(left - GIVE_BACK_SECONDS), lambda _left: reader.close()],
    )
