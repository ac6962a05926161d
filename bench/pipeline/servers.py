"""The servers that clients are measured against. Each runs in a process of its own."""

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.child_process import ChildProcess
from bench.quick_sqs import QuickSqs
from tests.support.emulator import running_emulator
from tests.support.strict_sqs import RealClock, StrictSqs

#: Calls by the queue's name and the operation.
Calls = Counter[tuple[str, str]]


@dataclass(frozen=True)
class Server:
    """A running server. ``url`` answers at once, ``late_url`` takes ``latency`` seconds more; the queues are the same.

    ``late_url`` is None for a server that knows no such delay. ``calls`` tells the calls that have come in so far;
    where it is None the clients have to count them.
    """

    url: str
    late_url: str | None = None
    latency: float = 0.0
    calls: Callable[[], Calls] | None = None


@contextmanager
def quick(latency: float) -> Iterator[Server]:
    """The benchmark's own server (bench.quick_sqs)."""
    with QuickSqs((0.0, latency)) as server:
        url, late_url = server.urls
        yield Server(url, late_url, latency, server.calls)


@contextmanager
def strict(_latency: float) -> Iterator[Server]:
    """The strict stand-in of the tests. Its ledger grows with every message."""
    with ChildProcess("strict-sqs", _serve_strict) as process:
        yield Server(process.listen(), calls=lambda: process.ask("calls"))


@contextmanager
def ministack(_latency: float) -> Iterator[Server]:
    """The emulator of `make demo`: some milliseconds of its own processor time a call, which bound everything."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_emulator(Path(folder) / "log.txt") as emulator,
    ):
        yield Server(emulator.url)


SERVERS = {"quick": quick, "strict": strict, "ministack": ministack}


def _serve_strict(pipe: Connection) -> None:
    sqs = StrictSqs(RealClock(), random.Random())
    with sqs.serve() as front:
        pipe.send(front.url)
        try:
            while True:
                pipe.recv()
                pipe.send(Counter((call.queue, call.operation) for call in sqs.calls))
        except EOFError:
            return
