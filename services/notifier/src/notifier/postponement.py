"""Putting a delivery off: a new message with a delay takes the old one's place, so that no receive count is burnt.

With give-backs alone, a channel that is down for a day would drive its deliveries over their queue's maxReceiveCount.
"""

import random
from datetime import datetime, timedelta

import msgspec

from pipeline.acceptance import Acceptance
from pipeline.contracts import Delivery, encode
from pipeline.errors import Unsendable
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.queue_writer import QueueWriter
from pipeline.trace import trace_attributes, tracing

#: SQS delays a message by 15 minutes at most.
LONGEST_DELAY = 900
_FIRST_RETRY = 2.0


def retry_delay(attempt: int, rng: random.Random) -> float:
    """Seconds until the try after ``attempt`` (from 1): 1 to 2 s, doubling up to between 7.5 and 15 minutes."""
    ceiling = min(float(LONGEST_DELAY), _FIRST_RETRY * 2.0 ** min(attempt - 1, 20))
    return ceiling * rng.uniform(0.5, 1.0)


class Postponement:
    """Replaces a message of the deliveries queue by its later self."""

    def __init__(self, reader: QueueReader, writer: QueueWriter) -> None:
        self._reader = reader
        self._writer = writer

    def postpone(
        self, message: ReceivedMessage, delivery: Delivery, seconds: float, now: datetime, attempt: int
    ) -> None:
        """Sends the delivery again with a delay (900 s at most; ``not_before`` holds the rest) and its attempt number.

        The old message is deleted when the new one has been accepted, and stays with the reader when the service stops.
        """
        later = msgspec.structs.replace(delivery, attempt=attempt, not_before=now + timedelta(seconds=seconds))
        delay = min(LONGEST_DELAY, max(0, round(seconds)))
        accepted = self._writer.put(encode(later), trace_attributes(later.trace_id), delay)

        def settle(done: Acceptance) -> None:
            error = done.exception()
            if error is None:
                self._reader.delete([message])
            elif isinstance(error, Unsendable):
                with tracing(delivery.trace_id):
                    self._reader.dead_letter(message, f"channel {delivery.channel}: it cannot be put off: {error}")
            # otherwise the service is stopping, and the reader gives back all that it holds

        accepted.add_done_callback(settle)
