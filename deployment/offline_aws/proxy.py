"""An HTTPS forward proxy on 127.0.0.1 that forwards nothing: it plays every host itself."""

import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deployment.offline_aws.calls import Answer
from deployment.offline_aws.certificates import Certificates

#: Gets method, host, path, X-Amz-Target and body of a request; gives what goes back.
Respond = Callable[[str, str, str, str | None, bytes], Answer]


class Proxy(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1 from ``start`` to ``stop``."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, certificates: Certificates, respond: Respond) -> None:
        self.certificates = certificates
        self.respond = respond
        super().__init__(("127.0.0.1", 0), _ProxyHandler, bind_and_activate=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="offline-aws", daemon=True)

    @property
    def url(self) -> str:
        """What a client's HTTPS_PROXY names."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        """Bind, and serve in a thread of its own."""
        self.server_bind()
        self.server_activate()
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking DNS for the machine's own name, as http.server does."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that went away; print everything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _HostHandler(BaseHTTPRequestHandler):
    """Answers the requests of one connection in place of the host that they were meant for."""

    protocol_version = "HTTP/1.1"
    # head and body are two writes, and each body would wait 40 ms for the client's delayed acknowledgement of the head
    disable_nagle_algorithm = True
    server: Proxy

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        host = self.headers.get("Host", "")
        answer = self.server.respond(self.command, host, self.path, self.headers.get("X-Amz-Target"), body)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_DELETE = do_GET = do_HEAD = do_PATCH = do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr: the calls are kept by whoever responds."""


class _ProxyHandler(_HostHandler):
    """Takes a client's wish to be connected to a host, and plays that host."""

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0]
        self.send_response(200)
        self.end_headers()
        with self.server.certificates.context(host).wrap_socket(self.connection, server_side=True) as encrypted:
            _HostHandler(encrypted, self.client_address, self.server)
        self.close_connection = True
