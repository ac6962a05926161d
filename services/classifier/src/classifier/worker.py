"""One worker: receive posts, have them judged, send alerts, and only then delete."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime

from classifier.endpoint import ContentRefused, Scores
from classifier.judgement import alert_for, judged_text
from classifier.metrics import Metrics
from classifier.patient_endpoint import PatientEndpoint, Stopping
from pipeline.acceptance import settle
from pipeline.contracts import Post, decode_post, encode
from pipeline.errors import ContractError
from pipeline.logs import get_logger
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.queue_writer import QueueWriter

log = get_logger(__name__)


class Worker:
    """Holds at most one receive's messages at a time. Several may share reader, writer and metrics."""

    def __init__(
        self,
        reader: QueueReader,
        writer: QueueWriter,
        endpoint: PatientEndpoint,
        thresholds: Mapping[str, float],
        model: str,
        metrics: Metrics,
        stopping: threading.Event,
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._endpoint = endpoint
        self._thresholds = thresholds
        self._model = model
        self._metrics = metrics
        self._stopping = stopping
        self._now = now

    def run(self) -> None:
        """Until ``stopping``; receives nothing before the endpoint has answered once."""
        try:
            self._endpoint.wait_until_it_answers()
        except Stopping:
            return
        while not self._stopping.is_set():
            if messages := self._reader.receive():
                self._handle(messages)

    def _handle(self, messages: Sequence[ReceivedMessage]) -> None:
        readable = self._readable(messages)
        if not readable:
            return
        try:
            results = self._endpoint.judge([judged_text(post) for _, post in readable])
        except Stopping:
            self._reader.give_back([message for message, _ in readable])
            return
        under_way: list[tuple[ReceivedMessage, list[Future[None]]]] = []
        for (message, post), result in zip(readable, results, strict=True):
            if isinstance(result, ContentRefused):
                self._metrics.posts_judged.labels(post.source, "refused").inc()
                self._reader.dead_letter(message, f"refused by the model: {result}")
            else:
                under_way.append((message, self._send_alert(post, result)))
        settle(self._reader, under_way, "alert", self._stopping)

    def _readable(self, messages: Sequence[ReceivedMessage]) -> list[tuple[ReceivedMessage, Post]]:
        readable = []
        for message in messages:
            try:
                readable.append((message, decode_post(message.body)))
            except ContractError as error:
                self._reader.dead_letter(message, f"not a post: {error}")
        return readable

    def _send_alert(self, post: Post, scores: Scores) -> list["Future[None]"]:
        """The acceptance of the post's alert; nothing where no label passes."""
        now = self._now()
        self._metrics.judgement_delay.observe(max(0.0, (now - post.received_at).total_seconds()))
        alert = alert_for(post, scores, self._thresholds, self._model, now)
        if alert is None:
            self._metrics.posts_judged.labels(post.source, "below_threshold").inc()
            return []
        self._metrics.posts_judged.labels(post.source, "alert").inc()
        for label in alert.labels:
            self._metrics.labels_passed.labels(post.source, label.name).inc()
        log.debug("alert", post_id=post.id, labels=[label.name for label in alert.labels], trace_id=post.trace_id)
        return [self._writer.put(encode(alert))]
