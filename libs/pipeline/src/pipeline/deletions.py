"""Deletes messages that their owners are done with, ten at a time, in a thread of its own.

Owners do not wait for a deletion, so they may delete one by one and it still costs a tenth of a call each. The price:
a process that is killed between an owner's word and its batch leaves messages that come again. That is a repeat, as
every stage must tolerate it; nothing is lost. Until SQS has deleted a message it stays claimed.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from pipeline.backoff import Backoff
from pipeline.claims import Claim, Claims
from pipeline.connection_state import ConnectionState
from pipeline.logs import get_logger
from pipeline.queue_calls import CallFailed, EntryFailure, QueueCalls
from pipeline.reader_metrics import ReaderMetrics
from pipeline.sqs_rules import BATCH_ENTRIES

log = get_logger(__name__)

#: Deletions that wait from which on a reader had better receive no more: the queue answers, and does not delete.
MANY = 1000
#: Seconds that one that failed by itself waits; others pass meanwhile.
_REST = 0.5
#: How often one that fails by itself is tried; the queue's outage does not count.
_TRIES = 6
#: Calls in a row that may fail once it ends, and the seconds between them.
_LAST_TRIES = 3
_LAST_REST = 0.2


class Deletions:
    """A line of claims whose stage is DONE. ``add`` may be called from any thread; ``run`` is the thread's."""

    def __init__(
        self,
        calls: QueueCalls,
        claims: Claims,
        backoff: Backoff,
        metrics: ReaderMetrics,
        *,
        linger_seconds: float = 0.02,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._claims = claims
        self._backoff = backoff
        self._metrics = metrics
        self._linger = linger_seconds
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._line: deque[Claim] = deque()
        self._resting: deque[tuple[float, Claim]] = deque()
        self._under_way = 0
        self._ending = False
        self._aborted = False
        self._failed_calls = 0
        self.state = ConnectionState(f"deleting from queue {metrics.queue}")
        self.state.reached()  # until a call says otherwise: there may be nothing to delete for long

    @property
    def waiting(self) -> int:
        """How many are not deleted yet."""
        return len(self._line) + len(self._resting) + self._under_way

    def add(self, claims: Sequence[Claim]) -> None:
        """Takes claims that are done; returns at once."""
        with self._changed:
            before = len(self._line)
            self._line.extend(claims)
            # the thread waits for a first one and then for a full batch: waking it for each costs more than the rest
            if before == 0 or before < BATCH_ENTRIES <= len(self._line):
                self._changed.notify()

    def run(self) -> None:
        """Deletes until ``end``, and what is left then."""
        while self._wait_for_batch():
            self._rest(self.send())

    def send(self) -> float:
        """Deletes up to ten at once, by one call; the seconds to wait before the next.

        What fails joins the line again: with the call, at once, behind the others; by itself, after a rest and a few
        times at most. A receipt that is refused is not tried again. Raises nothing for what the queue does.
        """
        with self._changed:
            self._rejoin()
            batch = [self._line.popleft() for _ in range(min(BATCH_ENTRIES, len(self._line)))]
            self._under_way = len(batch)
        if not batch:
            return 0.0
        deletions = [(claim, claim.receipt) for claim in batch]
        try:
            failures = self._calls.delete([receipt for _, receipt in deletions])
        except CallFailed as error:
            self.state.failed(str(error))
            self._failed_calls += 1
            if error.refused:  # by one of them, which must not hold up the others for ever
                failures = [EntryFailure(index, False, str(error)) for index in range(len(batch))]
                self._settle(deletions, failures)
            else:
                self._put_back(batch)
            return self._backoff.next()
        self.state.reached()
        self._failed_calls = 0
        self._backoff.reset()
        self._settle(deletions, failures)
        return 0.0

    def end(self, timeout: float, join: Callable[[float], object]) -> int:
        """Takes the line to its end within ``timeout`` seconds, and ends the thread; how many are left.

        ``join`` waits for the thread, for so many seconds at most.
        """
        with self._changed:
            self._ending = True
            self._failed_calls = 0
            self._changed.notify()
        join(timeout)
        with self._changed:
            self._aborted = True
            self._changed.notify()
            return self.waiting

    def _settle(self, deletions: Sequence[tuple[Claim, str]], failures: Sequence[EntryFailure]) -> None:
        failed = {failure.place for failure in failures}
        succeeded = [one for index, one in enumerate(deletions) if index not in failed] if failed else deletions
        again = self._claims.deleted(succeeded)
        self._metrics.deleted.inc(len(succeeded) - len(again))
        refused: list[Claim] = []
        tired: list[Claim] = []
        resting: list[Claim] = []
        for failure in failures:
            claim, receipt = deletions[failure.place]
            claim.deletion_tries += 1
            if failure.refused and claim.receipt == receipt:
                refused.append(claim)
            elif claim.deletion_tries < _TRIES:
                resting.append(claim)
            else:
                tired.append(claim)
        with self._changed:
            self._under_way = 0
            self._line.extend(again)
            until = self._clock() + _REST
            self._resting.extend((until, claim) for claim in resting)
        self._metrics.tell_lost(self._claims.undeletable(refused))
        if tired:
            self._claims.undeletable(tired)
            log.warning(
                "messages could not be deleted and will come again", queue=self._metrics.queue, messages=len(tired)
            )

    def _put_back(self, batch: Sequence[Claim]) -> None:
        with self._changed:
            self._under_way = 0
            self._line.extend(batch)

    def _wait_for_batch(self) -> bool:
        """Waits for a full batch, or for the linger time after a first one; False at the end."""
        with self._changed:
            while not self._rejoin():
                if self._ending:
                    return False
                self._changed.wait(self._resting[0][0] - self._clock() if self._resting else None)
            if not self._ending:
                self._changed.wait_for(lambda: self._ending or len(self._line) >= BATCH_ENTRIES, self._linger)
            return not self._aborted and not (self._ending and self._failed_calls >= _LAST_TRIES)

    def _rejoin(self) -> bool:
        """Whether any is in line, now that those whose rest is over are."""
        while self._resting and (self._ending or self._resting[0][0] <= self._clock()):
            self._line.append(self._resting.popleft()[1])
        return bool(self._line)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            if seconds and not self._ending:
                self._changed.wait_for(lambda: self._ending, seconds)
            elif seconds:
                self._changed.wait_for(lambda: self._aborted, min(seconds, _LAST_REST))
