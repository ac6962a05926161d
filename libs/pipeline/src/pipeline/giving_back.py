"""Makes released messages visible again, at once or after a delay, for whoever receives them then."""

import time
from collections.abc import Callable, Sequence

from pipeline.claims import Buffered, Claim, Claims
from pipeline.connection_state import ConnectionState
from pipeline.heartbeat import Heartbeat
from pipeline.logs import get_logger
from pipeline.queue_calls import CallFailed, QueueCalls
from pipeline.reader_metrics import ReaderMetrics
from pipeline.sqs_rules import BATCH_ENTRIES

log = get_logger(__name__)

#: Seconds after which nothing is tried again: what is not given back is visible after its timeout anyway.
PATIENCE = 5.0
_TRIES = 3
#: Seconds before the second try; each further wait is longer by as much.
_WAIT = 0.2

#: A message that was released, and the seconds (up to 12 h) after which it is to be visible again.
Return = tuple[Claim, int]


class GivingBack:
    """For messages whose claims have been released. Safe for several threads; each call is done when it returns.

    A receipt that has expired is told as a lost claim: its message is visible already, or another reader's.
    """

    def __init__(
        self,
        calls: QueueCalls,
        claims: Claims,
        heartbeat: Heartbeat,
        state: ConnectionState,
        metrics: ReaderMetrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._calls = calls
        self._claims = claims
        self._heartbeat = heartbeat
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._wait = wait

    def give_back(self, returns: Sequence[Return]) -> None:
        """Makes them visible. What fails is tried again for some seconds, and logged when it fails to the last.

        Raises nothing for what the queue does. It may take PATIENCE and a call's time-out.
        """
        if not returns:
            return
        deadline = self._clock() + PATIENCE
        self._heartbeat.wait_for_call([claim for claim, _ in returns], PATIENCE)
        failed = 0
        for start in range(0, len(returns), BATCH_ENTRIES):
            if failed and self._clock() >= deadline:
                failed += len(returns) - start
                break
            failed += self._settle(returns[start : start + BATCH_ENTRIES], deadline)
        if failed:
            log.warning(
                "messages could not be given back and come again after their timeout",
                queue=self._metrics.queue,
                messages=failed,
            )

    def give_back_buffered(self, buffered: Sequence[Buffered]) -> None:
        """Releases messages that nobody was given, and makes them visible at once."""
        self.give_back([(claim, 0) for claim in self._claims.release_buffered(buffered)])

    def _settle(self, batch: Sequence[Return], deadline: float) -> int:
        """How many of the batch could not be given back."""
        left = batch
        for number in range(1, _TRIES + 1):
            left = self._try(left)
            if not left or number == _TRIES or self._clock() >= deadline:
                break
            self._wait(_WAIT * number)
            # what has been received again since is another's, and a late second try would take it away from there
            left = [(claim, delay) for claim, delay in left if not self._claims.is_held(claim.id)]
        return len(left)

    def _try(self, batch: Sequence[Return]) -> Sequence[Return]:
        """Those that are worth another try."""
        if not batch:
            return ()
        try:
            failures = self._calls.hide([(claim.receipt, delay) for claim, delay in batch])
        except CallFailed as error:
            self._state.failed(str(error))
            return batch
        self._state.reached()
        self._metrics.given_back.inc(len(batch) - len(failures))
        self._metrics.tell_lost(sum(failure.refused for failure in failures))
        return [batch[failure.place] for failure in failures if not failure.refused]
