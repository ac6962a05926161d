"""A door in front of an HTTP server: it tells of each call that passes, and can be cut off."""

import socket
import struct
import sys
import threading
from collections.abc import Iterable, Mapping
from enum import Enum
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

#: Seconds that the server may take for one call. A test ends them all earlier by ending the server.
_SECONDS = 120.0
#: Of the connection and not of the message; and the name of the server, which is another behind the door.
_NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"}


class Outage(Enum):
    """How a server can be gone: its port is closed, or connections are taken and nothing is ever answered."""

    REFUSED = "refused"
    SILENT = "silent"


class Call(NamedTuple):
    """A request as it came. ``life`` counts what has parted the client from earlier calls; see HttpProxy."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    life: int


class Answer(NamedTuple):
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Listener(Protocol):
    """Is told of calls, from one thread after the other."""

    def answered(self, call: Call, answer: Answer, *, lost: bool) -> None:
        """The server has answered. ``lost``: its client will not hear of it. Called before the client can."""


class _Deaf:
    def answered(self, call: Call, answer: Answer, *, lost: bool) -> None:
        pass


class HttpProxy:
    """Listens on 127.0.0.1 while its context is open, always at the same ``url``.

    A life ends when the door is cut off and when the client has died (``client_died``): answers to calls of an earlier
    life are lost, though the server did what it was asked. Calls that the server cannot answer end without an answer.
    """

    def __init__(self, target_url: str, listener: Listener | None = None) -> None:
        self._target = urlsplit(target_url).netloc
        self._listener = listener or _Deaf()
        self._lock = threading.Lock()
        self._life = 0
        self._silent: threading.Event | None = None
        # bound and never listening: while the door is closed nobody else gets its port, and connects are refused
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        self._port: int = self._place.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self._port, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._begin_another_life(None)
        self._close_server()
        self._place.close()

    def client_died(self) -> None:
        """Calls that are under way have lost whom they are for."""
        self._begin_another_life(self._silent)

    def cut_off(self, outage: Outage) -> None:
        """From now on no call gets through. Those that are under way do; their answers are lost."""
        if outage is Outage.SILENT:
            self._begin_another_life(threading.Event())
        else:
            self._begin_another_life(None)
            self._close_server()

    def restore(self) -> None:
        """Calls get through again. Those that were met with silence end unanswered."""
        self._begin_another_life(None)
        if self._server is None:
            self._server = _Server(self._port, self)

    def connection(self) -> HTTPConnection:
        """For the handler: a way to the server behind the door, which connects at its first request."""
        return HTTPConnection(self._target, timeout=_SECONDS)

    def pass_on(self, handler: BaseHTTPRequestHandler, upstream: HTTPConnection) -> Answer | None:
        """For the handler: the answer; None where the client is to get none."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        headers = _passed_on(handler.headers.items())
        with self._lock:
            call = Call(handler.command, handler.path, dict(handler.headers.items()), body, self._life)
            silent = self._silent
        if silent:
            silent.wait()
            return None
        try:
            upstream.request(call.method, call.path, body, headers)
            response = upstream.getresponse()
            answer = Answer(response.status, _passed_on(response.getheaders()), response.read())
        except (OSError, HTTPException):
            return None
        with self._lock:
            lost = call.life != self._life
            silent = self._silent
            # within the lock: what is told as heard was not lost by a cut in between
            self._listener.answered(call, answer, lost=lost)
        if lost and silent:
            silent.wait()
        return None if lost else answer

    def _begin_another_life(self, silent: threading.Event | None) -> None:
        with self._lock:
            self._life += 1
            before, self._silent = self._silent, silent
        if before and before is not silent:
            before.set()

    def _close_server(self) -> None:
        if self._server:
            self._server.close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, proxy: HttpProxy) -> None:
        self.proxy = proxy
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="proxy", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Closes the port, and breaks all connections."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                _break(connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what the tests are about."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._upstream = self.server.proxy.connection()

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def do_GET(self) -> None:
        answer = self.server.proxy.pass_on(self, self._upstream)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        # with the head in one piece: two would be two packets
        self._headers_buffer.append(b"\r\n" + answer.body)  # type: ignore[attr-defined]
        self.flush_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
        """The listener is told."""


def _passed_on(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _NOT_PASSED_ON}


def _break(connection: socket.socket) -> None:
    try:
        # no linger: the client gets a reset, which it cannot take for the regular end of an answer
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed by its client, or by its handler a moment ago
