"""A door in front of an emulator of AWS that keeps each request whose body is JSON, and passes everything on."""

import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

#: Seconds that the emulator may take; a long poll has 20.
_SECONDS = 30.0
#: Of the one connection, and of how the body was sent: not of the message.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class RecordingProxy:
    """Listens on 127.0.0.1 while its context is open. ``requests`` are (operation, body), in the order of coming."""

    def __init__(self, target_url: str) -> None:
        self._target = urlsplit(target_url).netloc
        self._lock = threading.Lock()
        self.requests: list[tuple[str, Any]] = []
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def sent_to(self, queue_url: str) -> list[Any]:
        """The messages that were sent to a queue, one by one or in batches, in the shape of the SQS API."""
        with self._lock:
            sent = [(name, body) for name, body in self.requests if body.get("QueueUrl") == queue_url]
        return [
            message
            for name, body in sent
            if name.startswith("SendMessage")
            for message in (body["Entries"] if name == "SendMessageBatch" else [body])
        ]

    def passed_on(self, handler: BaseHTTPRequestHandler) -> tuple[int, list[tuple[str, str]], bytes]:
        """The emulator's answer: status, headers, body."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        if "json" in handler.headers.get("Content-Type", ""):
            operation = handler.headers.get("X-Amz-Target", "").rpartition(".")[2]
            with self._lock:
                self.requests.append((operation, json.loads(body)))
        connection = HTTPConnection(self._target, timeout=_SECONDS)
        try:
            headers = {name: value for name, value in handler.headers.items() if name.lower() not in _HOP_BY_HOP}
            connection.request(handler.command, handler.path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    proxy: RecordingProxy
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        status, headers, body = self.proxy.passed_on(self)
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
