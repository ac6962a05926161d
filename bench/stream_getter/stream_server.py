"""X's stream in a process of its own, which writes as fast as it is read, or slowly and with the time in each post."""

import itertools
import socket
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from bench.child_process import ChildProcess
from bench.stream_getter.sample import sample_lines, stamped_line

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
#: Posts in one chunk, where posts come as fast as they are read.
_TOGETHER = 40


class StreamServer:
    """Runs while its context is open. ``fast`` and ``slow`` are what X_API_URL would be."""

    def __init__(self, seconds_between: float) -> None:
        """``seconds_between`` two posts of the slow stream."""
        self._process = ChildProcess("the stream", _run, seconds_between)
        self.fast = self.slow = ""

    def __enter__(self) -> Self:
        self._process.__enter__()
        url = self._process.listen()
        self.fast, self.slow = f"{url}/fast", f"{url}/slow"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)


def _run(pipe: Connection, seconds_between: float) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, seconds_between), daemon=True).start()
    pipe.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
    with suppress(EOFError):
        pipe.recv()


def _accept(listener: socket.socket, seconds_between: float) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, seconds_between), daemon=True).start()


def _serve(connection: socket.socket, seconds_between: float) -> None:
    # its reader goes when it has enough
    with connection, suppress(OSError):
        path = _path(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_HEAD)
        if path.startswith("/slow/"):
            for number in itertools.count():
                _send(connection, stamped_line(number, time.monotonic_ns()))
                time.sleep(seconds_between)
        lines = sample_lines()
        while True:
            _send(connection, b"".join(itertools.islice(lines, _TOGETHER)))


def _path(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (piece := connection.recv(65536)):
            raise ConnectionError("no whole request")
        head += piece
    return head.split(b" ", 2)[1].decode()


def _send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))
