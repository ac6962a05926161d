"""What is done about an answer: an alert is sent or not, and the message is settled once that is certain."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from classifier.cases import Answered, Case, Judged, NotAsked
from classifier.endpoint_errors import ContentRefused
from classifier.in_hand import InHand
from classifier.metrics import Metrics
from pipeline.acceptance import Acceptance
from pipeline.contracts import Alert, encode
from pipeline.errors import Unsendable
from pipeline.logs import get_logger
from pipeline.queue_reader import QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.trace import trace_attributes, tracing

log = get_logger(__name__)


class Outcomes:
    """Settles each case exactly once, except at the end: what is not settled then, the reader's ``close`` gives back.

    Safe for several threads. Nobody waits here for an alert to be accepted: its message is deleted by the thread that
    hears of it.
    """

    def __init__(
        self,
        reader: QueueReader,
        writer: QueueWriter,
        in_hand: InHand,
        metrics: Metrics,
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._in_hand = in_hand
        self._metrics = metrics
        self._now = now

    def settle(self, answered: Sequence[Answered]) -> None:
        """Raises WriterCrashed where alerts cannot be sent any more: let it end the process."""
        quiet: list[Case] = []
        for case, answer in answered:
            with tracing(case.post.trace_id):
                if isinstance(answer, Judged):
                    alert = self._alert(case, answer)
                    if alert:
                        self._send(case, alert)
                        continue
                    quiet.append(case)
                elif isinstance(answer, NotAsked):
                    self._count(case, "not_asked")
                    quiet.append(case)
                else:
                    self._refuse(case, answer)
        self._delete(quiet)

    def give_back(self, cases: Sequence[Case]) -> None:
        """Nobody will answer these; others may have their messages."""
        if cases:
            self._reader.give_back([case.message for case in cases])
        self._release(cases)

    def _alert(self, case: Case, judged: Judged) -> Alert | None:
        now = self._now()
        self._metrics.judgement_delay.observe(max(0.0, (now - case.post.received_at).total_seconds()))
        alert, vetoed = case.label_set.verdict(case.post, judged.scores, judged.model, now)
        source = case.post.source
        for name in vetoed:
            self._metrics.labels_vetoed.labels(source, name).inc()
        if alert is None:
            self._count(case, "below_threshold")
            log.debug("no alert", post_id=case.post.id, vetoed=vetoed)
            return None
        self._count(case, "alert")
        for label in alert.labels:
            self._metrics.labels_passed.labels(source, label.name).inc()
        log.debug("alert", post_id=case.post.id, labels=[label.name for label in alert.labels])
        return alert

    def _send(self, case: Case, alert: Alert) -> None:
        acceptance = self._writer.put(encode(alert), trace_attributes(case.post.trace_id))
        acceptance.add_done_callback(partial(self._accepted, case))

    def _accepted(self, case: Case, acceptance: Acceptance) -> None:
        """Runs in a sender of the writer."""
        error = acceptance.exception()
        if error is None:
            self._delete([case])
        elif isinstance(error, Unsendable):
            with tracing(case.post.trace_id):
                self._reader.dead_letter(case.message, f"its alert cannot be sent: {error}")
            self._release([case])
        # otherwise the writer is at its end, and so is the service

    def _refuse(self, case: Case, refusal: ContentRefused) -> None:
        self._count(case, "refused")
        # people who look at the letter see the post anyway, and what the model says may quote it
        log_reason = f"refused by the model: {refusal.for_log}"
        self._reader.dead_letter(case.message, f"refused by the model: {refusal}", log_reason)
        self._release([case])

    def _delete(self, cases: Sequence[Case]) -> None:
        if cases:
            self._reader.delete([case.message for case in cases])
        self._release(cases)

    def _release(self, cases: Iterable[Case]) -> None:
        for case in cases:
            self._in_hand.remove(case)

    def _count(self, case: Case, outcome: str) -> None:
        self._metrics.posts_judged.labels(case.post.source, outcome).inc()
