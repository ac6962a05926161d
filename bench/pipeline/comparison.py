"""Rounds of measurements, the two ways one after the other, so that a machine's bad moments hit both."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.pipeline.client_process import ClientProcess, Measured
from bench.pipeline.loops import BODY, PARTS, TRACE_ID, Errand, Part
from bench.pipeline.servers import Calls, Server
from demo.stack import client
from pipeline.sqs_rules import string_attributes

WAYS = ("bare", "pipeline")
#: Messages of the errand that warms a client up for a part.
_WARM_UP = 50
_BATCH = 10


class NotDone(Exception):
    """An errand is said to be done, and the queues say otherwise."""


@dataclass(frozen=True)
class Run:
    """One errand of one way. ``calls_receiving`` are all those to the source queue, ``calls_sending`` to the target."""

    messages: int
    seconds: float
    processor_seconds: float
    calls_receiving: int
    calls_sending: int


@dataclass(frozen=True)
class Compared:
    """One part's runs by way, those of a round at the same place."""

    part: Part
    runs: Mapping[str, list[Run]]

    @property
    def speed_ratio(self) -> float:
        """Messages a second, pipeline's against the bare loop's of the same round: the median of the rounds."""
        return median(bare.seconds / pipeline.seconds for bare, pipeline in self._pairs())

    @property
    def processor_ratio(self) -> float:
        """Processor time, pipeline's against the bare loop's of the same round: the median of the rounds."""
        return median(pipeline.processor_seconds / bare.processor_seconds for bare, pipeline in self._pairs())

    def messages_per_second(self, way: str) -> float:
        """The median of the rounds."""
        return median(run.messages / run.seconds for run in self.runs[way])

    def processor_ms_per_message(self, way: str) -> float:
        """The median of the rounds."""
        return median(1000 * run.processor_seconds / run.messages for run in self.runs[way])

    def calls_per_message(self, way: str, kind: Callable[[Run], int]) -> float:
        """The worst of the rounds, of ``calls_receiving`` or ``calls_sending``."""
        return max(kind(run) / run.messages for run in self.runs[way])

    def _pairs(self) -> Iterator[tuple[Run, Run]]:
        return zip(self.runs["bare"], self.runs["pipeline"], strict=True)


class Comparison:
    """Both clients against one server."""

    def __init__(self, server: Server, clients: Mapping[str, ClientProcess]) -> None:
        self._server = server
        self._clients = clients
        self._sqs = client("sqs", server.url)
        self._numbers = itertools.count()

    def warm_up(self, url: str) -> None:
        """Everything once, and not counted: code that is loaded late, connections, caches."""
        self.compare(url, 1, _WARM_UP, lambda _round: None)

    def compare(self, url: str, rounds: int, messages: int, tell: Callable[[int], None]) -> list[Compared]:
        """All parts, both ways, in each round. ``url`` is that of the server for the measured clients.

        ``tell`` is called after each round with its number. Raises NotDone and ChildFailed.
        """
        compared = [Compared(part, {way: [] for way in WAYS}) for part in PARTS]
        for number in range(rounds):
            for each in compared:
                # by turns, for what comes first may find the machine in another state
                for way in WAYS if number % 2 == 0 else reversed(WAYS):
                    each.runs[way].append(self._run(way, each.part, url, messages))
            tell(number + 1)
        return compared

    def _run(self, way: str, part: Part, url: str, messages: int) -> Run:
        names = [f"{side}-{next(self._numbers)}" for side in ("source", "target")]
        source, target = (self._sqs.create_queue(QueueName=name)["QueueUrl"] for name in names)
        if part.receives:
            self._fill(source, messages)
        before = self._server.calls() if self._server.calls else Counter()
        measured = self._clients[way].measure(part.name, url, Errand(source, target, messages))
        calls = self._server.calls() - before if self._server.calls else _by_name(measured)
        self._check(way, part, source, 0)
        self._check(way, part, target, messages if part.sends else 0)
        self._fill(source, 1)  # ends the poll in which a reader is still waiting; it gives the message back
        self._clients[way].close()
        for queue in (source, target):
            self._sqs.delete_queue(QueueUrl=queue)
        receiving, sending = (sum(count for (queue, _), count in calls.items() if queue == name) for name in names)
        return Run(messages, measured.seconds, measured.processor_seconds, receiving, sending)

    def _fill(self, url: str, messages: int) -> None:
        attributes = string_attributes({"trace_id": TRACE_ID})
        for start in range(0, messages, _BATCH):
            entries: Any = [
                {"Id": str(number), "MessageBody": BODY, "MessageAttributes": attributes}
                for number in range(min(_BATCH, messages - start))
            ]
            self._sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def _check(self, way: str, part: Part, url: str, expected: int) -> None:
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        found = sum(int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible"))
        if found != expected:
            raise NotDone(f"{part.name}, {way}: expected {expected} messages in {url} afterwards, got {found}")


@contextmanager
def comparison(server: Server) -> Iterator[Comparison]:
    """Both clients started, for as long as the context is open."""
    with ExitStack() as stack:
        clients = {way: stack.enter_context(ClientProcess(way, counts_calls=server.calls is None)) for way in WAYS}
        yield Comparison(server, clients)


def _by_name(measured: Measured) -> Calls:
    return Counter({(url.rpartition("/")[2], operation): count for (url, operation), count in measured.calls.items()})
