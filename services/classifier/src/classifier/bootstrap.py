"""Builds classifier from its parts: the one place that knows them all."""

import random
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from classifier import __version__
from classifier.endpoint import READ_TIMEOUT, ModelEndpoint
from classifier.metrics import Metrics
from classifier.patient_endpoint import PatientEndpoint
from classifier.settings import Settings
from classifier.tuning import warn_of_thresholds_for_another_model
from classifier.worker import Worker
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.build_info import export_build_info
from pipeline.config_at_start import config_at_start
from pipeline.config_places import ConfigPlaces
from pipeline.connection_state import ConnectionState
from pipeline.lifecycle import Lifecycle
from pipeline.queue_depth import QueueDepth
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import GIVE_BACK_SECONDS, QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.telemetry import TelemetryServer


def run(settings: Settings) -> int:
    """Builds the parts and runs them until SIGTERM; the exit code. Raises UserMistake and Unavailable."""
    rng = random.Random()
    places = ConfigPlaces(settings.alerts_config, lambda: aws_client("s3", settings.aws_region))
    in_force = config_at_start(places, Backoff(0.5, 10.0, rng))
    config = in_force.config
    registry = CollectorRegistry()
    export_build_info(registry, "classifier", __version__, settings.revision)
    metrics, queue_metrics = Metrics(registry), QueueMetrics(registry)
    lifecycle = Lifecycle()
    sqs = aws_client("sqs", settings.aws_region, connections=settings.workers + 4)
    reader = QueueReader(
        sqs,
        settings.posts_queue_url,
        settings.posts_dead_letter_queue_url,
        "posts",
        "classifier",
        queue_metrics,
        Backoff(0.1, 10.0, rng),
        lifecycle.stopping,
    )
    writer = QueueWriter(sqs, settings.alerts_queue_url, "alerts", queue_metrics, Backoff(0.1, 10.0, rng))
    endpoint = ModelEndpoint(
        aws_client("sagemaker-runtime", settings.aws_region, read_timeout=READ_TIMEOUT, connections=settings.workers),
        settings.endpoint_name,
        {label.name: label.candidate for label in config.labels},
        config.hypothesis_template,
        metrics,
    )
    endpoint_state = ConnectionState(f"model endpoint {settings.endpoint_name}")
    workers = [
        Worker(
            reader,
            writer,
            PatientEndpoint(endpoint, Backoff(0.5, 30.0, rng), endpoint_state, lifecycle.stopping),
            {label.name: label.threshold for label in config.labels},
            settings.model,
            metrics,
            lifecycle.stopping,
            now=lambda: datetime.now(UTC),
        )
        for _ in range(settings.workers)
    ]
    checks = {
        "posts queue": reader.state.trouble,
        "alerts queue": writer.state.trouble,
        "model endpoint": endpoint_state.trouble,
    }
    TelemetryServer(settings.telemetry_host, settings.telemetry_port, registry, checks)
    in_force.tell()
    warn_of_thresholds_for_another_model(config.tuned_for, settings.model, in_force.document.place)
    queues = {"posts": settings.posts_queue_url, "posts-dlq": settings.posts_dead_letter_queue_url}
    depth = QueueDepth(sqs, queues, queue_metrics, lifecycle.stopping)
    return lifecycle.run(
        {f"worker-{number}": worker.run for number, worker in enumerate(workers, start=1)},
        background={"queue depth": depth.run},
        on_stop=[writer.refuse_when_full],
        # giving back takes its share of the time even where the writer's queue is away
        drain=[lambda left: writer.close(left - GIVE_BACK_SECONDS), lambda _left: reader.close()],
    )
