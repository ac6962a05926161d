"""One channel's deliveries, in batches, each settled by what the channel said."""

import queue
import random
import threading
from collections.abc import Callable
from datetime import datetime

from notifier.channels.contract import Channel, Delivered, Failed, Outcome
from notifier.metrics import Metrics
from notifier.postponement import Postponement, retry_delay
from pipeline.contracts import Delivery, Post
from pipeline.logs import OccasionalLog, get_logger
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.recent_ids import RecentIds
from pipeline.trace import tracing

log = get_logger(__name__)

_BATCH = 10
#: Deliveries that wait for one channel; more stay in the queue, for other tasks or for later.
_WAITING = 50
_POLL_SECONDS = 0.5

_Item = tuple[ReceivedMessage, Delivery]


class ChannelWorker:
    """Delivers what is offered, once for each delivery id as far as a bounded memory allows.

    ``run`` is for one thread; ``offer``, ``use`` and ``retire`` may be called from any other.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        reader: QueueReader,
        postponement: Postponement,
        delivered: RecentIds,
        metrics: Metrics,
        stopping: threading.Event,
        now: Callable[[], datetime],
        rng: random.Random,
        occasionally: OccasionalLog,
    ) -> None:
        self._name = name
        self._channel = channel
        self._reader = reader
        self._postponement = postponement
        self._delivered = delivered
        self._metrics = metrics
        metrics.start_channel_at_zero(name)
        self._stopping = stopping
        self._now = now
        self._rng = rng
        self._occasionally = occasionally
        self._waiting: queue.Queue[_Item] = queue.Queue(_WAITING)
        self._offering = threading.Lock()
        self._retired = False

    def offer(self, message: ReceivedMessage, delivery: Delivery) -> bool:
        """Takes a delivery unless too many wait already or it has retired; whether it did, and will settle it then."""
        with self._offering:
            if self._retired:
                return False
            try:
                self._waiting.put_nowait((message, delivery))
            except queue.Full:
                return False
            return True

    def use(self, channel: Channel) -> None:
        """From the next batch on it delivers by this channel, and still knows what it has delivered by the old one."""
        self._channel = channel

    def retire(self) -> None:
        """It takes nothing more, delivers what waits, and ends."""
        with self._offering:
            self._retired = True

    def run(self) -> None:
        """Until it has retired, or until ``stopping``: what still waits then is given back when the reader closes."""
        while not self._stopping.is_set():
            if batch := self._next_batch():
                self._deliver(batch)
            # one may have been offered since the look, before it retired
            elif self._retired and self._waiting.empty():
                return

    def _next_batch(self) -> list[_Item]:
        batch: list[_Item] = []
        try:
            batch.append(self._waiting.get(timeout=_POLL_SECONDS))
            while len(batch) < _BATCH:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _deliver(self, batch: list[_Item]) -> None:
        fresh: dict[str, _Item] = {}
        repeats: list[ReceivedMessage] = []
        for message, delivery in batch:
            if delivery.id in self._delivered:
                repeats.append(message)
            elif delivery.id in fresh:
                # settled with its twin it could be lost with it; it comes again and is known then
                self._reader.give_back([message], delay_seconds=1)
            else:
                fresh[delivery.id] = (message, delivery)
        if repeats:
            self._count("repeat", len(repeats))
            self._reader.delete(repeats)
        if not fresh:
            return
        done = []
        outcomes = self._channel.deliver([delivery for _, delivery in fresh.values()])
        for (message, delivery), outcome in zip(fresh.values(), outcomes, strict=True):
            with tracing(delivery.trace_id):
                if self._settled(message, delivery, outcome):
                    done.append(message)
        self._reader.delete(done)

    def _settled(self, message: ReceivedMessage, delivery: Delivery, outcome: Outcome) -> bool:
        """Whether the message is to be deleted now."""
        if isinstance(outcome, Delivered):
            self._delivered.add(delivery.id)
            self._count("delivered", 1)
            log.debug("delivered", channel=self._name, delivery_id=delivery.id)
            if delivery.post:
                self._observe_delay(delivery.post)
            return True
        if outcome.final:
            self._count("refused", 1)
            self._reader.dead_letter(message, f"channel {self._name}: {outcome.reason}")
            return False
        self._retry(message, delivery, outcome)
        return False

    def _observe_delay(self, post: Post) -> None:
        now = self._now()
        for histogram, since in (
            (self._metrics.notification_delay, post.created_at),
            (self._metrics.handling_delay, post.received_at),
        ):
            histogram.labels(self._name).observe(max(0.0, (now - since).total_seconds()))

    def _retry(self, message: ReceivedMessage, delivery: Delivery, failure: Failed) -> None:
        self._count("failed", 1)
        self._occasionally.warning(
            log, self._name, "delivery failed, trying again later", channel=self._name, reason=failure.reason
        )
        wait = retry_delay(delivery.attempt, self._rng)
        self._postponement.postpone(message, delivery, wait, self._now(), delivery.attempt + 1)

    def _count(self, outcome: str, number: int) -> None:
        self._metrics.deliveries.labels(self._name, outcome).inc(number)
