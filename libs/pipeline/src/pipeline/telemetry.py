"""GET /metrics, /healthz and /readyz on one port.

/healthz says that the process answers; /readyz is 200 only while everything the service needs has been reached, and
otherwise 503 with one line for each thing that is missing.
"""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pipeline.errors import UserMistake

#: What is checked, and how: the check returns None, or in one line what is wrong.
ReadinessChecks = Mapping[str, Callable[[], str | None]]


class TelemetryServer:
    """Serves until ``close``. Raises UserMistake when the port is taken."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, checks: ReadinessChecks) -> None:
        handler = type("Handler", (_Handler,), {"registry": registry, "checks": checks})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except (OSError, OverflowError) as error:
            raise UserMistake(
                f"environment: TELEMETRY_PORT: expected a free port on {host}, got {port} ({error})"
            ) from error
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True).start()

    @property
    def port(self) -> int:
        """The port it listens on; of use where 0 asked for any."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    checks: ReadinessChecks
    timeout = 10  # seconds that a slow client may hold a thread
    server_version = "tweet-alerts"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encoder(self.registry), content_type)
        elif path == "/healthz":
            self._answer(200, b"ok\n")
        elif path == "/readyz":
            wrong = [f"{name}: {trouble}" for name, check in self.checks.items() if (trouble := check())]
            self._answer(503 if wrong else 200, ("\n".join(wrong or ["ready"]) + "\n").encode())
        else:
            self._answer(404, b"expected /metrics, /healthz or /readyz\n")

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class uses
        """Probes come every few seconds; they are not logged."""
