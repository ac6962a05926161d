"""Keeps claimed messages hidden for as long as their work takes, and notices the claims that are lost.

Most work is done before a claim is due, and then the heartbeat makes no call at all.
"""

import threading
import time
from collections.abc import Callable, Sequence

from pipeline.claims import Claim, Claims, Prolongation
from pipeline.connection_state import ConnectionState
from pipeline.queue_calls import CallFailed, EntryFailure, QueueCalls
from pipeline.reader_metrics import ReaderMetrics
from pipeline.sqs_rules import BATCH_ENTRIES

#: Seconds between two looks whether the reader is closed, for a thread that waits for ``stopping``.
_LOOK = 1.0


class Heartbeat:
    """Prolongs what is due, ten at a time. ``run`` and ``beat`` are the thread's, ``wait_for_call`` is anybody's."""

    def __init__(
        self,
        calls: QueueCalls,
        claims: Claims,
        state: ConnectionState,
        metrics: ReaderMetrics,
        closed: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._claims = claims
        self._state = state
        self._metrics = metrics
        self._closed = closed
        self._clock = clock
        self._call_ended = threading.Condition()

    def run(self, stopping: threading.Event, on_stop: Callable[[], None]) -> None:
        """Beats until the reader is closed; calls ``on_stop`` once ``stopping`` is set, for no other thread waits."""
        while not self._closed.is_set() and not stopping.wait(min(self.beat(), _LOOK)):
            pass
        if not self._closed.is_set():
            on_stop()
        while not self._closed.wait(min(self.beat(), _LOOK)):
            pass

    def beat(self) -> float:
        """Prolongs all that is due now; the seconds until the next beat is. Raises nothing for what the queue does."""
        self._metrics.tell_lost(self._claims.lapse())
        while batch := self._claims.take_due(BATCH_ENTRIES):
            self._prolong(batch)
            with self._call_ended:
                self._call_ended.notify_all()
        return self._claims.seconds_until_due()

    def wait_for_call(self, claims: Sequence[Claim], seconds: float) -> None:
        """Returns when no call under way prolongs any of these, after ``seconds`` at the latest.

        Call it before messages that were released are made visible: the call would hide them again.
        """
        if any(claim.prolonging for claim in claims):
            with self._call_ended:
                self._call_ended.wait_for(lambda: not any(claim.prolonging for claim in claims), seconds)

    def _prolong(self, batch: Sequence[Prolongation]) -> None:
        called_at = self._clock()
        try:
            failures = self._calls.hide([(receipt, seconds) for _, receipt, seconds in batch])
        except CallFailed as error:
            self._state.failed(str(error))
            self._claims.not_prolonged(batch)
            return
        self._state.reached()
        failed = {failure.place: failure for failure in failures}
        self._claims.prolonged([one for index, one in enumerate(batch) if index not in failed], called_at)
        self._claims.not_prolonged(_those(batch, failures, refused=False))
        self._metrics.tell_lost(self._claims.refused(_those(batch, failures, refused=True)))


def _those(batch: Sequence[Prolongation], failures: Sequence[EntryFailure], *, refused: bool) -> list[Prolongation]:
    return [batch[failure.place] for failure in failures if failure.refused is refused]
