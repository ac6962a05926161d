"""The server in a process of its own, so that its work is not counted among its clients'."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Self

from bench.child_process import ChildProcess
from bench.quick_sqs.http import Connection
from bench.quick_sqs.operations import Operations


class QuickSqs:
    """Runs while its context is open, on free ports of 127.0.0.1: one for each of ``latencies``.

    The queues are the same on all ports. ``latencies`` are the seconds by which a port's answers are late, as a network
    would have it; ``urls`` is in their order.
    """

    def __init__(self, latencies: Sequence[float] = (0.0,)) -> None:
        self._process = ChildProcess("quick-sqs", _run, tuple(latencies))
        self.urls: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        self._process.__enter__()
        self.urls = self._process.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def calls(self) -> Counter[tuple[str, str]]:
        """How many calls have come in so far, by queue and operation."""
        return self._process.ask("calls")  # type: ignore[no-any-return]


def _run(pipe: Pipe, latencies: Sequence[float]) -> None:
    asyncio.run(_serve(pipe, latencies))


async def _serve(pipe: Pipe, latencies: Sequence[float]) -> None:
    loop = asyncio.get_running_loop()
    operations = Operations(loop)
    ended = asyncio.Event()
    ports = []
    for latency in latencies:
        server = await loop.create_server(partial(Connection, operations, latency), "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])

    def answer() -> None:
        try:
            pipe.recv()
        except EOFError:
            loop.remove_reader(pipe.fileno())
            ended.set()
        else:
            pipe.send(operations.calls)

    loop.add_reader(pipe.fileno(), answer)
    pipe.send(tuple(f"http://127.0.0.1:{port}" for port in ports))
    await ended.wait()
