"""A threading HTTP server that can be stopped at once."""

import contextlib
import socket
import socketserver
import sys
import threading
from http.server import ThreadingHTTPServer
from typing import Any

from simulator.http_api import Api, ApiHandler
from simulator.settings import Mistake


class ApiServer(ThreadingHTTPServer):
    """Serves an Api from `start` to `stop`. Raises Mistake when the address cannot be bound."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, api: Api) -> None:
        host, port = api.settings.host, api.settings.port
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._clients: set[socket.socket] = set()
        self._clients_lock = threading.Lock()
        handler = type("BoundApiHandler", (ApiHandler,), {"api": api})
        try:
            super().__init__((host, port), handler)
        except OSError as error:
            raise Mistake(f"--host {host} --port {port}: expected an address to listen on, found: {error}") from error
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="x-simulator-http", daemon=True)

    @property
    def url(self) -> str:
        """The base address, without a slash at its end."""
        host, port = self.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests and cut the connections that are still open."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()
        with self._clients_lock:
            for client in self._clients:
                _shut_down(client)

    def server_bind(self) -> None:
        """Bind without asking DNS for the server's own name: that can take seconds and is used for nothing."""
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that `stop` can cut it, and serve it in a thread."""
        with self._clients_lock:
            self._clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and close it; one that is to linger for 0 seconds ends by a TCP reset."""
        with self._clients_lock:
            self._clients.discard(request)
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER):
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a client that went away in the middle of its request; print everything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _shut_down(client: socket.socket) -> None:
    # An error means that it has ended by itself.
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
