"""The front for real clients: HTTP on 127.0.0.1, in AWS's JSON protocol. Signatures are not checked."""

import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.strict_sqs.botocore_model import Parameters
from tests.support.strict_sqs.errors import AnswerTooLate, NoAnswer, SqsError
from tests.support.strict_sqs.service import Service
from tests.support.strict_sqs.wire import CONTENT_TYPE, read_operation, read_request, write_answer, write_error


class HttpFront:
    """Answers while its context is open. ``url`` is what clients take as their endpoint.

    A call that a fault keeps from arriving, or whose answer is lost, ends in a reset of its connection; one that is
    answered too late gets nothing until its client gives up. ``unreachable`` refuses connections. An exception that
    is no answer of SQS breaks its connection, and is raised when the context ends.
    """

    def __init__(self, service: Service, end_polls: Callable[[], None]) -> None:
        self._service = service
        self._end_polls = end_polls
        self._bugs: list[Exception] = []
        self._server = _Server(0, service, self._bugs)
        self._port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(self._end_polls)
        if self._bugs:
            raise ExceptionGroup("the stand-in failed by itself", self._bugs)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Breaks all connections, polls included, and refuses new ones within this context; messages stay."""
        self._server.stop(self._end_polls)
        try:
            yield
        finally:
            self._server = _Server(self._port, self._service, self._bugs)
            self._server.start()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for them
    request_queue_size = 128

    def __init__(self, port: int, service: Service, bugs: list[Exception]) -> None:
        self.service = service
        self._bugs = bugs
        self.parameters = Parameters()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="strict-sqs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, end_polls: Callable[[], None]) -> None:
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # its client was quicker
        end_polls()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self._bugs.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            operation = read_operation(self.headers.get("X-Amz-Target", ""))
            request = read_request(operation, body, self.server.parameters)
            base_url = f"http://{self.headers.get('Host')}"
            self._answer(200, {}, write_answer(self.server.service.call(operation, request, base_url)))
        except SqsError as error:
            self._answer(error.status, *write_error(error))
        except NoAnswer as lost:
            self._keep_silent(wait=isinstance(lost, AnswerTooLate))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server names it
        """The calls are on record; see CallLog."""

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        # with the head in one piece: two pieces would wait for each other's acknowledgement
        self._headers_buffer.append(b"\r\n" + body)  # type: ignore[attr-defined]
        self.flush_headers()

    def _keep_silent(self, *, wait: bool) -> None:
        self.close_connection = True
        if wait:
            while self.connection.recv(4096):
                pass
            return
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
