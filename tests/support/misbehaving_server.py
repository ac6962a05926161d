"""An HTTP server of raw sockets that does exactly what a test tells it to, however wrong.

One answer for each connection, in order; the last one is repeated. An answer is a function that gets the socket after
the request's head was read; those below cover most needs. The connection is closed when its answer returns.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

Answer = Callable[[socket.socket], None]
#: Part of a streamed answer: bytes are sent as one chunk.
Step = bytes | Answer

_SECONDS = 30.0


def respond(status: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
    """A whole answer, such as ``respond("503 Service Unavailable", b"try later")``."""
    return lambda connection: connection.sendall(
        _head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body
    )


def stream(*steps: Step, headers: Mapping[str, str] | None = None) -> Answer:
    """A chunked answer of status 200. Without ``end`` as its last step the connection is cut in the middle of it."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(_head("200 OK", {"Transfer-Encoding": "chunked", **(headers or {})}))
        for step in steps:
            if callable(step):
                step(connection)
            else:
                _send_chunk(connection, step)

    return answer


def end(connection: socket.socket) -> None:
    """The regular end of a chunked answer."""
    connection.sendall(b"0\r\n\r\n")


def slowly(data: bytes) -> Answer:
    """Each byte as a chunk of its own."""

    def answer(connection: socket.socket) -> None:
        for byte in data:
            _send_chunk(connection, bytes([byte]))

    return answer


def after(event: threading.Event, then: Answer = lambda _connection: None) -> Answer:
    """Waits for the test before it goes on."""

    def answer(connection: socket.socket) -> None:
        if not event.wait(_SECONDS):
            raise TimeoutError("the test did not let the server go on")
        then(connection)

    return answer


def raw(data: bytes) -> Answer:
    """These bytes and nothing around them."""
    return lambda connection: connection.sendall(data)


def reset(connection: socket.socket) -> None:
    """Ends the connection by a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def silence(connection: socket.socket) -> None:
    """Sends nothing until the client or the server closes."""
    while connection.recv(4096):
        pass


def json_line(**fields: object) -> bytes:
    """One line of X's stream."""
    return json.dumps(fields).encode() + b"\r\n"


class MisbehavingServer:
    """Listens on 127.0.0.1 while its context is open. ``requests`` are the heads that were read, as text.

    With a context ``tls`` it speaks HTTPS.
    """

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answers = list(answers)
        self._tls = tls
        self._lock = threading.Condition()
        self._open: list[socket.socket] = []
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # close() alone would leave accept() waiting
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed by its answer or its client

    def wait_for_requests(self, count: int) -> None:
        """Returns once so many requests have come; AssertionError when they do not."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.requests) >= count, _SECONDS), self.requests

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as spoken_to:
                self._answer_to(_read_head(spoken_to))(spoken_to)
        except OSError:
            return  # the client went away, as many tests want it to

    def _answer_to(self, head: str) -> Answer:
        with self._lock:
            self.requests.append(head)
            self._lock.notify_all()
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _read_head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("the client sent no whole request")
        head += piece
    return head.decode("latin-1")


def _head(status: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _send_chunk(connection: socket.socket, data: bytes) -> None:
    connection.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
