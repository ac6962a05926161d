"""The measured process: one for each way, so that its processor time is its own, and it is warm for all rounds."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median, quantiles
from typing import Any

import msgspec
import psutil

from bench.child_process import ChildProcess
from bench.pipeline.client_process import client_environment
from bench.stream_getter.ways import WAYS, Errand, ours
from demo.stack import REGION
from pipeline.aws import aws_client
from pipeline.logs import configure_logs

#: Seconds after which an errand counts as hung.
_LONGEST = 300.0


@dataclass(frozen=True)
class Measured:
    """Of one errand: seconds, seconds of processor time in all threads, calls, and bytes of resident memory."""

    seconds: float
    processor_seconds: float
    calls: int
    resident: int


@dataclass(frozen=True)
class Delay:
    """Milliseconds from a post's writing to the socket to the start of the call with it, and to that call's end."""

    added_p50: float
    added_p95: float
    total_p50: float


@dataclass(frozen=True)
class Order:
    """What a client is asked: a way's errand at a server; ``delay`` asks for times instead."""

    way: str
    server: str
    errand: Errand
    delay: bool = False


def client_process(name: str) -> ChildProcess:
    """Answers Orders with what it has measured."""
    return ChildProcess(f"the client {name}", _run)


def measured(process: ChildProcess, order: Order) -> Any:
    """The answer to an order. Raises ChildFailed."""
    return process.ask(order, _LONGEST)


def memory_process(server: str, errand: Errand, step: int) -> ChildProcess:
    """Sends its resident memory every ``step`` posts of one long errand of ours."""
    return ChildProcess("the long errand", _run_long, server, errand, step)


class _Calls:
    """Counts the calls of a client, and keeps when each of the last ones began and with what."""

    def __init__(self, sqs: Any) -> None:
        self.count = 0
        self.listener: Callable[[Any], None] | None = None
        sqs.meta.events.register("before-parameter-build.sqs", self._begins)

    def _begins(self, params: Any, **_rest: object) -> None:
        if "Entries" in params or "MessageBody" in params:
            self.count += 1
            if self.listener:
                self.listener(params)


def _run(pipe: Connection) -> None:
    configure_logs("WARNING", "readable", "bench")
    clients: dict[str, tuple[Any, _Calls]] = {}
    try:
        while True:
            order = pipe.recv()
            if order.server not in clients:
                clients[order.server] = _client(order.server)
            measure = _delay if order.delay else _measured
            pipe.send(measure(order, *clients[order.server]))
    except EOFError:
        return


def _run_long(pipe: Connection, server: str, errand: Errand, step: int) -> None:
    configure_logs("WARNING", "readable", "bench")
    process = psutil.Process()
    sqs, _ = _client(server)

    def tell(number: int) -> None:
        if number % step == step - 1:
            pipe.send(process.memory_info().rss)

    with ExitStack() as after:
        ours(sqs, errand, after, tell)()


def _client(server: str) -> tuple[Any, _Calls]:
    os.environ.update(client_environment(server))
    sqs = aws_client("sqs", REGION)
    return sqs, _Calls(sqs)


def _measured(order: Order, sqs: Any, calls: _Calls) -> Measured:
    with ExitStack() as after:
        run = WAYS[order.way](sqs, order.errand, after)
        before, began, processor_began = calls.count, time.perf_counter(), time.process_time()
        run()
        seconds, processor = time.perf_counter() - began, time.process_time() - processor_began
        return Measured(seconds, processor, calls.count - before, psutil.Process().memory_info().rss)


def _delay(order: Order, sqs: Any, calls: _Calls) -> Delay:
    """The posts carry the time of their writing as their text."""
    added: list[float] = []
    total: list[float] = []
    under_way: list[int] = []

    def begins(params: Any) -> None:
        now = time.monotonic_ns()
        stamps = [int(msgspec.json.decode(entry["MessageBody"])["text"]) for entry in params["Entries"]]
        added.extend((now - stamp) / 1e6 for stamp in stamps)
        under_way.extend(stamps)

    def ended(**_rest: object) -> None:
        now = time.monotonic_ns()
        total.extend((now - stamp) / 1e6 for stamp in under_way)
        under_way.clear()

    calls.listener = begins
    sqs.meta.events.register("after-call.sqs.SendMessageBatch", ended, unique_id="bench-ended")
    try:
        with ExitStack() as after:
            ours(sqs, order.errand, after)()
    finally:
        calls.listener = None
        sqs.meta.events.unregister("after-call.sqs.SendMessageBatch", unique_id="bench-ended")
    return Delay(median(added), quantiles(added, n=20)[-1], median(total))
