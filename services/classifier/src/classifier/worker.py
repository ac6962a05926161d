"""One worker: receive posts, have them judged, send alerts, and only then delete."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from classifier.endpoint import ContentRefused, Scores
from classifier.judgement import alert_for, judged_text
from classifier.metrics import Metrics
from classifier.patient_endpoint import PatientEndpoint, Stopping, Superseded
from pipeline.acceptance import Acceptance, settle
from pipeline.contracts import Post, decode_post, encode
from pipeline.errors import ContractError
from pipeline.logs import get_logger
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.queue_writer import QueueWriter
from pipeline.trace import trace_attributes, trace_id_of, tracing

log = get_logger(__name__)


class Worker:
    """Holds at most one receive's messages at a time. Several may share reader, writer and metrics.

    A batch is judged by one endpoint, with its labels, and their thresholds as a whole: the newest pair that
    ``judge_by`` was given.
    """

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
        self._by = (endpoint, thresholds)
        self._model = model
        self._metrics = metrics
        self._stopping = stopping
        self._now = now

    def judge_by(self, endpoint: PatientEndpoint, thresholds: Mapping[str, float]) -> None:
        """The next batch is judged by these, and so is one that still waits for an answer. For any thread."""
        before, _ = self._by
        self._by = (endpoint, thresholds)
        before.supersede()

    def run(self) -> None:
        """Until ``stopping``; receives nothing before the endpoint has answered once."""
        try:
            self._wait_until_it_answers()
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
            results, thresholds = self._judged([judged_text(post) for _, post in readable])
        except Stopping:
            self._reader.give_back([message for message, _ in readable])
            return
        under_way: list[tuple[ReceivedMessage, list[Acceptance]]] = []
        for (message, post), result in zip(readable, results, strict=True):
            with tracing(post.trace_id):
                if isinstance(result, ContentRefused):
                    self._metrics.posts_judged.labels(post.source, "refused").inc()
                    self._reader.dead_letter(message, f"refused by the model: {result}")
                else:
                    under_way.append((message, self._send_alert(post, result, thresholds)))
        settle(self._reader, under_way, "alert", self._stopping)

    def _wait_until_it_answers(self) -> None:
        while True:
            endpoint, _ = self._by
            try:
                return endpoint.wait_until_it_answers()
            except Superseded:
                continue

    def _judged(self, texts: Sequence[str]) -> tuple[list[Scores | ContentRefused], Mapping[str, float]]:
        """For each text its scores or why they are refused, and the thresholds for these scores. Raises Stopping."""
        while True:
            endpoint, thresholds = self._by
            try:
                return endpoint.judge(texts), thresholds
            except Superseded:
                continue

    def _readable(self, messages: Sequence[ReceivedMessage]) -> list[tuple[ReceivedMessage, Post]]:
        readable = []
        for message in messages:
            try:
                readable.append((message, decode_post(message.body)))
            except ContractError as error:
                with tracing(trace_id_of(message)):
                    self._reader.dead_letter(message, f"not a post: {error}")
        return readable

    def _send_alert(self, post: Post, scores: Scores, thresholds: Mapping[str, float]) -> list[Acceptance]:
        """The acceptance of the post's alert; nothing where no label passes."""
        now = self._now()
        self._metrics.judgement_delay.observe(max(0.0, (now - post.received_at).total_seconds()))
        alert = alert_for(post, scores, thresholds, self._model, now)
        if alert is None:
            self._metrics.posts_judged.labels(post.source, "below_threshold").inc()
            log.debug("no alert", post_id=post.id)
            return []
        self._metrics.posts_judged.labels(post.source, "alert").inc()
        for label in alert.labels:
            self._metrics.labels_passed.labels(post.source, label.name).inc()
        log.debug("alert", post_id=post.id, labels=[label.name for label in alert.labels])
        return [self._writer.put(encode(alert), trace_attributes(post.trace_id))]
