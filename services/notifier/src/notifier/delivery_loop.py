"""From the deliveries queue to the channels, each with a thread of its own so that none holds up the others."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from notifier.channel_worker import ChannelWorker
from notifier.postponement import Postponement
from pipeline.contracts import Delivery, decode_delivery
from pipeline.errors import ContractError
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.trace import trace_id_of, tracing

#: Seconds that a delivery waits when its channel has its hands full.
_BUSY_DELAY = 15.0
#: A delayed message may come a little early; that is not worth another round.
_EARLY = timedelta(seconds=1.5)


class DeliveryLoop:
    """Hands each delivery to its channel's worker. What is too early or finds its channel busy is put off."""

    def __init__(
        self,
        reader: QueueReader,
        postponement: Postponement,
        workers: Mapping[str, ChannelWorker],
        stopping: threading.Event,
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._postponement = postponement
        self._workers = workers
        self._stopping = stopping
        self._now = now

    def run(self) -> None:
        """Until ``stopping``."""
        while not self._stopping.is_set():
            for message in self._reader.receive():
                try:
                    delivery = decode_delivery(message.body)
                except ContractError as error:
                    with tracing(trace_id_of(message)):
                        self._reader.dead_letter(message, f"not a delivery: {error}")
                else:
                    with tracing(delivery.trace_id):
                        self._handle(message, delivery)

    def _handle(self, message: ReceivedMessage, delivery: Delivery) -> None:
        now = self._now()
        worker = self._workers.get(delivery.channel)
        if delivery.expires_at <= now:
            self._reader.dead_letter(message, f"channel {delivery.channel}: expired after {delivery.attempt} attempts")
        elif worker is None:
            self._reader.dead_letter(message, f"channel {delivery.channel}: not in the configuration")
        elif delivery.not_before and delivery.not_before > now + _EARLY:
            wait = (delivery.not_before - now).total_seconds()
            self._postponement.postpone(message, delivery, wait, now, delivery.attempt)
        elif not worker.offer(message, delivery):
            self._postponement.postpone(message, delivery, _BUSY_DELAY, now, delivery.attempt)
