"""The stand-in as tests use it: one broker, its books and its faults, behind an in-process client and an HTTP front."""

import json
import random
from collections import Counter
from typing import cast

from mypy_boto3_sqs import SQSClient

from tests.support.strict_sqs.broker import Broker, LongPolls
from tests.support.strict_sqs.call import CallLog
from tests.support.strict_sqs.client import InProcessClient
from tests.support.strict_sqs.clock import Clock
from tests.support.strict_sqs.context import queue_url
from tests.support.strict_sqs.fault_plan import FaultPlan
from tests.support.strict_sqs.http_front import HttpFront
from tests.support.strict_sqs.ledger import Ledger
from tests.support.strict_sqs.limits import Limits
from tests.support.strict_sqs.receipts import ExpiredReceipts
from tests.support.strict_sqs.service import Service

ENDPOINT = "http://sqs.test"


class StrictSqs:
    """Amazon SQS in memory, with standard queues only.

    ``clock`` moves everything; ``rng`` makes the ids and decides on faults, so that the same calls in the same order
    go the same way again. ``ledger`` has what became of each message, ``calls`` what was asked.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        *,
        limits: Limits | None = None,
        long_polls: LongPolls = LongPolls.WAIT,
        expired_receipts: ExpiredReceipts = ExpiredReceipts.REFUSED,
    ) -> None:
        self.clock = clock
        self.ledger = Ledger()
        self.calls = CallLog()
        # apart from the ids' numbers: another fault must not change every id that follows
        self.faults = FaultPlan(random.Random(rng.getrandbits(64)))
        self.broker = Broker(
            clock,
            random.Random(rng.getrandbits(64)),
            self.ledger,
            limits=limits or Limits(),
            long_polls=long_polls,
            expired_receipts=expired_receipts,
            lateness=self.faults.lateness_ms,
        )
        self._service = Service(self.broker, self.faults, self.calls)
        self._client = InProcessClient(self._service, ENDPOINT)

    @property
    def client(self) -> SQSClient:
        """The in-process client, under the type that callers ask for."""
        return cast(SQSClient, self._client)

    def serve(self) -> HttpFront:
        """The HTTP front, to be used as a context."""
        return HttpFront(self._service, self.broker.end_polls)

    def make_queue(
        self, name: str, *, dead_letters: str | None = None, most_receives: int = 100, **attributes: str
    ) -> str:
        """The in-process URL of a new queue, past all faults. ``dead_letters`` is the name of a queue that is there."""
        if dead_letters is not None:
            arn = self.broker.registry.queue(dead_letters).arn
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": most_receives}
            attributes["RedrivePolicy"] = json.dumps(policy)
        self.broker.registry.create(name, attributes)
        return queue_url(ENDPOINT, name)

    def bodies(self, name: str) -> list[str]:
        """What lies in a queue, visible or not."""
        return [message.content.body for message in self.broker.contents(name)]

    def visible(self, name: str) -> list[str]:
        """The bodies that a receive could give now."""
        return [message.content.body for message in self.broker.visible(name)]

    def disagreements(self) -> dict[str, tuple[Counter[str], Counter[str]]]:
        """Where the books differ from a queue: its ids by the books, and its ids in fact. A bug of the stand-in."""
        # the queues first: to look at them notices what has expired
        queues = {
            name: Counter(message.id for message in self.broker.contents(name)) for name in self.broker.registry.names()
        }
        books = self.ledger.holdings()
        names = books.keys() | queues.keys()
        pairs = {name: (books.get(name, Counter()), queues.get(name, Counter())) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
