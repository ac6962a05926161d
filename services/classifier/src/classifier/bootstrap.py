"""Builds classifier from its parts: the one place that knows them all."""

import random
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from classifier import __version__
from classifier.endpoint import READ_TIMEOUT, ModelEndpoint
from classifier.intake import pause_while_open
from classifier.metrics import Metrics
from classifier.patient_endpoint import PatientEndpoint
from classifier.settings import Settings
from classifier.tuning import warn_of_thresholds_for_another_model
from classifier.worker import Worker
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.alerts_config import AlertsConfig
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.build_info import export_build_info
from pipeline.config_at_start import ConfigInForce, config_at_start
from pipeline.config_places import ConfigPlaces
from pipeline.config_watch import ConfigMetrics, ConfigWatch
from pipeline.connection_state import ConnectionState
from pipeline.lifecycle import Lifecycle
from pipeline.queue_depth import QueueDepth
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import GIVE_BACK_SECONDS, QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.telemetry import TelemetryServer
from pipeline.watchdog import Watchdog

#: Calls of the endpoint that fail one after the other, whoever made them, before only probes are made.
_FAILURES_THAT_OPEN = 3
#: Seconds between two tries at first, and at most.
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


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
    # beside the workers: three threads of the reader, two of the writer, queue depth, notices
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
        watchdog=lifecycle.watchdog,
    )
    writer = QueueWriter(
        sqs,
        settings.alerts_queue_url,
        "alerts",
        queue_metrics,
        Backoff(0.1, 10.0, rng),
        watchdog=lifecycle.watchdog,
    )
    sagemaker = aws_client(
        "sagemaker-runtime", settings.aws_region, read_timeout=READ_TIMEOUT, connections=settings.workers
    )
    endpoint_state = ConnectionState(f"model endpoint {settings.endpoint_name}")
    breaker = Breaker(_FAILURES_THAT_OPEN, Backoff(_FIRST_WAIT, _LONGEST_WAIT, rng), starts_open=True)
    limit = AdaptiveLimit(least=1, most=settings.workers)
    pause_while_open(breaker, reader)
    metrics.follow(breaker, limit)

    def endpoint(config: AlertsConfig) -> PatientEndpoint:
        candidates = {label.name: label.candidate for label in config.labels}
        model = ModelEndpoint(sagemaker, settings.endpoint_name, candidates, config.hypothesis_template, metrics)
        backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT, rng)
        return PatientEndpoint(model, breaker, limit, backoff, endpoint_state, lifecycle.stopping)

    def thresholds(config: AlertsConfig) -> dict[str, float]:
        return {label.name: label.threshold for label in config.labels}

    workers = [
        Worker(
            reader,
            writer,
            endpoint(config),
            thresholds(config),
            settings.model,
            metrics,
            lifecycle.stopping,
            now=_now,
        )
        for _ in range(settings.workers)
    ]

    def bring_into_force(new: ConfigInForce) -> None:
        for worker in workers:
            worker.judge_by(endpoint(new.config), thresholds(new.config))
        warn_of_thresholds_for_another_model(new.config.tuned_for, settings.model, new.document.place)

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
        "model endpoint": endpoint_state.trouble,
    }
    stuck = lifecycle.watchdog.stuck
    TelemetryServer(settings.telemetry_host, settings.telemetry_port, registry, checks, stuck)
    in_force.tell()
    warn_of_thresholds_for_another_model(config.tuned_for, settings.model, in_force.document.place)
    queues = {"posts": settings.posts_queue_url, "posts-dlq": settings.posts_dead_letter_queue_url}
    depth = QueueDepth(sqs, queues, queue_metrics, lifecycle.stopping)
    return lifecycle.run(
        {f"worker-{number}": worker.run for number, worker in enumerate(workers, start=1)},
        background={"queue depth": depth.run, "configuration": watch.run},
        on_stop=[writer.refuse_when_full],
        # giving back takes its share of the time even where the writer's queue is away
        drain=[lambda left: writer.close(left - GIVE_BACK_SECONDS), lambda _left: reader.close()],
    )
