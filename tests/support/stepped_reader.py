"""A reader on the strict stand-in of SQS whose threads do nothing by themselves: a test takes their steps.

So each interleaving of receives, heartbeats, deletions and what owners do can be written down, with a clock that only
the test moves.
"""

import random
import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import QueueReader, ReceivedMessage
from tests.support.strict_sqs import ExpiredReceipts, LongPolls, StrictSqs, VirtualClock, What

VISIBILITY = 60


class StepThread:
    """Runs what it was given when it is joined; a reader joins what has nothing to wait for any more."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self.name = name
        self._run: Callable[[], None] | None = run

    def join(self, timeout: float | None = None) -> None:
        run, self._run = self._run, None
        if run:
            run()


class SteppedReader:
    """``reader`` and its queue ``posts``. What the reader waits for is waited for on ``clock``."""

    def __init__(
        self,
        *,
        visibility: int = VISIBILITY,
        max_bytes: int = 4 * 1024 * 1024,
        max_messages: int = 30,
        expired_receipts: ExpiredReceipts = ExpiredReceipts.REFUSED,
    ) -> None:
        self.clock = VirtualClock()
        self.sqs = StrictSqs(
            self.clock, random.Random(1), long_polls=LongPolls.RETURN, expired_receipts=expired_receipts
        )
        self.dead_letters_url = self.sqs.make_queue("posts-dlq")
        self.url = self.sqs.make_queue("posts", dead_letters="posts-dlq")
        self.stopping = threading.Event()
        self.registry = CollectorRegistry()
        self.reader = QueueReader(
            self.sqs.client,
            self.url,
            self.dead_letters_url,
            "posts",
            "classifier",
            QueueMetrics(self.registry),
            Backoff(1.0, 1.0, random.Random(1)),
            self.stopping,
            visibility_timeout=visibility,
            max_buffered_bytes=max_bytes,
            max_buffered_messages=max_messages,
            now=self.clock,
            clock=self.clock,
            rng=random.Random(1),
            sleep=self.clock.advance,
            start_thread=StepThread,
        )

    def send(self, *bodies: str) -> None:
        """Puts messages into the queue."""
        for body in bodies:
            self.sqs.client.send_message(QueueUrl=self.url, MessageBody=body)

    def fill(self) -> float:
        """One step of the receiving thread, whether it is wanted or not; the seconds that it would wait then."""
        return self.reader.receiving.receive()

    def take(self, limit: int = 10) -> list[ReceivedMessage]:
        """What an owner gets now."""
        return self.reader.receive(limit, timeout=0.0)

    def receive(self, *bodies: str) -> list[ReceivedMessage]:
        """Puts up to ten messages into the queue, and has an owner take them."""
        self.send(*bodies)
        self.fill()
        messages = self.take()
        assert [message.body for message in messages] == list(bodies)
        return messages

    def beat(self) -> float:
        """One step of the heartbeat; the seconds until its next."""
        return self.reader.heartbeat.beat()

    def delete_waiting(self) -> None:
        """Steps of the deleting thread until nothing waits; 10 s of the clock at most."""
        deadline = self.clock() + 10
        while self.reader.deletions.waiting and self.clock() < deadline:
            self.clock.advance(max(0.1, self.reader.deletions.send()))

    def pass_time(self, seconds: float) -> None:
        """Time goes by with the heartbeat at work, as it would in a thread."""
        end = self.clock() + seconds
        while self.clock() < end:
            self.clock.advance(min(max(0.001, self.beat()), end - self.clock()))
        self.beat()

    def receive_elsewhere(self) -> list[str]:
        """The bodies that another reader gets now, which claims them for a minute."""
        answer = self.sqs.client.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY
        )
        return [message["Body"] for message in answer.get("Messages", [])]

    def calls(self, operation: str) -> int:
        """How often the operation was called."""
        return len(self.sqs.calls.requests(operation))

    def prolongations(self) -> int:
        """How many calls have prolonged messages."""
        requests = self.sqs.calls.requests("ChangeMessageVisibilityBatch")
        return sum(any(entry["VisibilityTimeout"] for entry in request["Entries"]) for request in requests)

    def deleted(self) -> list[str]:
        """The bodies that are gone, in alphabetical order."""
        return sorted(self.sqs.ledger.bodies(What.DELETED).elements())

    def count(self, name: str) -> float:
        """A counter of the reader: ``messages_received``, ``claims_lost`` and others."""
        value = self.registry.get_sample_value(f"queue_{name}_total", {"queue": "posts"})
        assert value is not None, name
        return value
