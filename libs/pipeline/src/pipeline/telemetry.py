"""GET /metrics, /healthz, /readyz and /startupz on one port.

/healthz says whether all threads are alive: 200, or 503 with one line for each that is stuck (pipeline.watchdog).
/readyz is 200 only while they are and everything that the service needs has been reached, and otherwise 503 with one
line for each thing that is stuck or missing. /startupz is as /readyz until one look, at either, has found nothing
missing, and from then on as /healthz. What a start need not wait for may have a check of its own there.

/startupz is for what kills a service that fails its check, as ECS does. /readyz would have it killed because X or the
model is away, which helps nobody and uses up connects; /healthz would let a start that can never succeed count as one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from pipeline.errors import UserMistake

#: What is checked, and how: the check returns None, or in one line what is wrong.
ReadinessChecks = Mapping[str, Callable[[], str | None]]


class TelemetryServer:
    """Serves until ``close``. ``stuck`` gives one line for each thread that hangs: pass ``Watchdog.stuck``.

    ``startup_checks`` are asked at /startupz instead of the ``checks`` of the same name.

    Raises UserMistake when the port is taken.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        checks: ReadinessChecks,
        stuck: Callable[[], Sequence[str]] = tuple,
        startup_checks: ReadinessChecks | None = None,
    ) -> None:
        readiness = _Readiness(checks, startup_checks or {})
        own = {"registry": registry, "readiness": readiness, "stuck": staticmethod(stuck)}
        handler = type("Handler", (_Handler,), own)
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


class _Readiness:
    """Looks when it is asked, and remembers whether a look has ever found nothing missing."""

    def __init__(self, checks: ReadinessChecks, startup_checks: ReadinessChecks) -> None:
        self._checks = checks
        self._startup_checks = startup_checks
        # no lock: it only ever turns true, whichever thread does it
        self._has_started = False

    def missing(self) -> list[str]:
        """One line for each thing that is missing."""
        return self._wrong_of(self._checks)

    def missing_to_start(self) -> list[str]:
        """One line for each thing that the start still waits for."""
        return [] if self._has_started else self._wrong_of({**self._checks, **self._startup_checks})

    def _wrong_of(self, checks: ReadinessChecks) -> list[str]:
        wrong = [f"{name}: {trouble}" for name, check in checks.items() if (trouble := check())]
        if not wrong:
            self._has_started = True
        return wrong


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    readiness: _Readiness
    stuck: Callable[[], Sequence[str]]
    timeout = 10  # seconds that a slow client may hold a thread
    server_version = "tweet-alerts"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encoder(self.registry), content_type)
        elif path == "/healthz":
            self._answer_wrong(self.stuck(), "ok")
        elif path == "/readyz":
            self._answer_wrong([*self.stuck(), *self.readiness.missing()], "ready")
        elif path == "/startupz":
            self._answer_wrong([*self.stuck(), *self.readiness.missing_to_start()], "started")
        else:
            self._answer(404, b"expected /metrics, /healthz, /readyz or /startupz\n")

    def _answer_wrong(self, wrong: Sequence[str], fine: str) -> None:
        self._answer(503 if wrong else 200, ("\n".join(wrong or [fine]) + "\n").encode())

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class uses
        """Probes come every few seconds; they are not logged."""
