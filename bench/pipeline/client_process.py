"""The measured process: does errands one after the other, and tells the time and the processor time of each.

There is one for each of the two ways, for the whole run. So both are warm, neither pays for the other's memory, and the
processor time is that of this way's client alone: not the server's, nor that of who fills the queues.
"""

import os
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from bench.child_process import ChildProcess
from bench.pipeline.loops import PARTS, Errand, Loop
from demo.stack import REGION
from pipeline.aws import aws_client
from pipeline.logs import configure_logs

#: Seconds after which an errand counts as hung.
_LONGEST = 120.0


@dataclass(frozen=True)
class Measured:
    """Of one errand: seconds, seconds of processor time in all threads, and calls by queue URL and operation."""

    seconds: float
    processor_seconds: float
    calls: Counter[tuple[str, str]]


@dataclass(frozen=True)
class _Order:
    part: str
    server: str
    errand: Errand


class ClientProcess:
    """The client of one way, ``bare`` or ``pipeline``, while its context is open."""

    def __init__(self, way: str, *, counts_calls: bool) -> None:
        """``counts_calls`` is for servers that do not count them, and costs some microseconds a call."""
        self._process = ChildProcess(f"the {way} client", _run, way, counts_calls)

    def __enter__(self) -> Self:
        self._process.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def measure(self, part: str, server: str, errand: Errand) -> Measured:
        """Does the errand of the part's name at a server's URL. Raises ChildFailed. ``close`` must follow."""
        return self._process.ask(_Order(part, server, errand), _LONGEST)  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the threads of the last errand, once the poll has ended that a reader may have under way."""
        self._process.ask("close")


def client_environment(server: str) -> dict[str, str]:
    """What boto3 reads to talk to this server and to nothing else."""
    return {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL_SQS": server,
        "NO_PROXY": "127.0.0.1",
    }


def _run(pipe: Connection, way: str, counts_calls: bool) -> None:
    configure_logs("WARNING", "readable", "bench")
    loops: dict[str, Loop] = {part.name: getattr(part, way) for part in PARTS}
    calls: Counter[tuple[str, str]] = Counter()
    clients: dict[str, Any] = {}
    try:
        while True:
            order = pipe.recv()
            if order.server not in clients:
                clients[order.server] = _client(order.server, calls if counts_calls else None)
            calls.clear()
            with ExitStack() as after:
                pipe.send(_measured(loops[order.part], clients[order.server], order.errand, after, calls))
                pipe.recv()  # the word to close
            pipe.send("closed")
    except EOFError:
        return


def _measured(loop: Loop, client: Any, errand: Errand, after: ExitStack, calls: Counter[tuple[str, str]]) -> Measured:
    began, processor_began = time.perf_counter(), time.process_time()
    loop(client, errand, after)
    return Measured(time.perf_counter() - began, time.process_time() - processor_began, Counter(calls))


def _client(server: str, calls: Counter[tuple[str, str]] | None) -> Any:
    os.environ.update(client_environment(server))
    client = aws_client("sqs", REGION)
    if calls is not None:

        def count(params: Any, model: Any, **_rest: object) -> None:
            calls[params["QueueUrl"], model.name] += 1

        client.meta.events.register("before-parameter-build.sqs", count)
    return client
