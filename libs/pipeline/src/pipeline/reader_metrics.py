"""What one reader counts and says of the messages that it holds."""

import time
from collections.abc import Callable, Sequence

from pipeline.logs import get_logger
from pipeline.queue_metrics import QueueMetrics
from pipeline.received_message import ReceivedMessage

log = get_logger(__name__)


class ReaderMetrics:
    """The readers' metrics with the label of one queue. Told once a batch: a call for each message would add up."""

    def __init__(self, metrics: QueueMetrics, queue: str, now: Callable[[], float] = time.time) -> None:
        """``now`` gives UNIX seconds."""
        metrics.start_reader_at_zero(queue)
        self.queue = queue
        self.received = metrics.received.labels(queue)
        self.received_again = metrics.received_again.labels(queue)
        self.deleted = metrics.deleted.labels(queue)
        self.given_back = metrics.given_back.labels(queue)
        self.dead_lettered = metrics.dead_lettered.labels(queue)
        self._claims_lost = metrics.claims_lost.labels(queue)
        self._wait = metrics.wait.labels(queue)
        self._now = now

    def tell_received(self, messages: Sequence[ReceivedMessage], *, again: int) -> None:
        """``again`` of the messages are held already."""
        self.received.inc(len(messages))
        if again:
            self.received_again.inc(again)
        now = self._now()
        for message in messages:
            self._wait.observe(max(0.0, now - message.sent_at))

    def tell_lost(self, claims: int) -> None:
        """So many claims have been lost, each told once; often it is none."""
        if claims:
            self._claims_lost.inc(claims)
            log.warning("receipts expired, the messages come again", queue=self.queue, messages=claims)
