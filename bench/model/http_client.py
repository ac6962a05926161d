"""A client that costs next to nothing, for it shares the cores with the endpoint: raw sockets, whole requests ready."""

import random
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Self

from bench.child_process import ChildProcess
from bench.model.measured import REFUSED

_LONGEST = 60.0


@dataclass(frozen=True)
class ClosedLoop:
    """All requests, `connections` at a time: each begins when one has ended. Answered with the seconds for all."""

    requests: Sequence[bytes]
    connections: int


@dataclass(frozen=True)
class OpenLoop:
    """A request at each of a Poisson process's arrivals, `rate` a second, whatever is still under way.

    Answered with the seconds from each request's arrival, which is when it should be sent, to its answer's end.
    """

    requests: Sequence[bytes]
    rate: float
    seed: int


@dataclass(frozen=True)
class OneByOne:
    """A request at a time with `pause` seconds between them. Answered with the seconds of each."""

    requests: Sequence[bytes]
    pause: float


class WrongAnswer(Exception):
    """The endpoint has answered with another status than 200 or 503, or not at all."""


def http_client(host: str, port: int) -> ChildProcess:
    """Answers ClosedLoop, OpenLoop and OneByOne with what it has measured."""
    return ChildProcess("the HTTP client", _run, host, port)


def _run(pipe: Connection, host: str, port: int) -> None:
    try:
        while True:
            order = pipe.recv()
            with _Connections(host, port) as connections:
                if isinstance(order, ClosedLoop):
                    pipe.send(_closed_loop(connections, order))
                elif isinstance(order, OpenLoop):
                    pipe.send(_open_loop(connections, order))
                else:
                    pipe.send(_one_by_one(connections, order))
    except EOFError:
        return


class _Connections:
    """Connections that are kept, and what each still waits for."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._idle: list[socket.socket] = []
        self._since: dict[socket.socket, float] = {}
        self._received: dict[socket.socket, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in [*self._idle, *self._since]:
            each.close()

    @property
    def under_way(self) -> int:
        return len(self._since)

    def send(self, request: bytes, since: float) -> None:
        """Sends on an idle connection, or on a new one; `since`: when its time begins."""
        used = self._idle.pop() if self._idle else self._connected()
        self._since[used] = since
        self._received[used] = b""
        used.sendall(request)

    def ended(self, seconds: float) -> list[float]:
        """Waits so long at most for answers. The seconds of each request that has ended."""
        # select tells of microseconds; epoll rounds up to the next millisecond
        readable, _, _ = select.select(list(self._since), [], [], max(0.0, seconds))
        ended = []
        for each in readable:
            self._received[each] += each.recv(1 << 20)
            status = _status_when_whole(self._received[each])
            if status:
                since = self._since.pop(each)
                ended.append(time.perf_counter() - since if status == 200 else REFUSED)
                self._idle.append(each)
        return ended

    def _connected(self) -> socket.socket:
        new = socket.create_connection(self._address, timeout=_LONGEST)
        new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return new


def _status_when_whole(answer: bytes) -> int:
    """200 or 503 for a whole answer, 0 for a part of one. Raises WrongAnswer."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        if not answer:
            raise WrongAnswer("expected an answer, got the end of the connection")
        return 0
    first_line, _, headers = head.partition(b"\r\n")
    status = int(first_line.split()[1])
    if status not in {200, 503}:
        raise WrongAnswer(f"expected status 200, got {status}")
    length = int(headers.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return status if len(body) >= length else 0


def _closed_loop(connections: _Connections, order: ClosedLoop) -> float:
    waiting = deque(order.requests)
    began = time.perf_counter()
    while waiting or connections.under_way:
        while waiting and connections.under_way < order.connections:
            connections.send(waiting.popleft(), time.perf_counter())
        if REFUSED in connections.ended(_LONGEST):
            raise WrongAnswer(f"expected room for {order.connections} requests, got status 503")
    return time.perf_counter() - began


def _open_loop(connections: _Connections, order: OpenLoop) -> list[float]:
    seconds: list[float] = []
    intervals = random.Random(order.seed)
    arrival = time.perf_counter()
    for request in order.requests:
        arrival += intervals.expovariate(order.rate)
        while (left := arrival - time.perf_counter()) > 0:
            seconds += connections.ended(left)
        connections.send(request, arrival)
    while connections.under_way:
        seconds += connections.ended(_LONGEST)
    return seconds


def _one_by_one(connections: _Connections, order: OneByOne) -> list[float]:
    seconds: list[float] = []
    for request in order.requests:
        time.sleep(order.pause)
        connections.send(request, time.perf_counter())
        while connections.under_way:
            seconds += connections.ended(_LONGEST)
    return seconds
