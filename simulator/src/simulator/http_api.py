"""The HTTP side: paths, tokens, status codes and headers."""

import contextlib
import hmac
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from simulator import problems
from simulator.answer import Answer
from simulator.backfill import LONGEST_MINUTES, Backfill
from simulator.clock import Clock
from simulator.connection_history import ConnectionHistory
from simulator.connections import Connections
from simulator.fault_queue import FaultQueue
from simulator.faults import Fault, decode_faults
from simulator.fields import Selection
from simulator.injection import PostFactory
from simulator.ledger import Ledger
from simulator.posts_file import PayloadError
from simulator.rate_window import RateWindow
from simulator.refusals import refusal
from simulator.rules import Rules
from simulator.settings import Mistake, Settings
from simulator.stream_connection import END_PATIENCE_SECONDS, StreamConnection
from simulator.usage import ProjectUsage

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json"
TEXT = "text/plain; charset=utf-8"
MAX_BODY_BYTES = 4 * 1024 * 1024
IDLE_SECONDS = 30.0

STREAM = ("GET", "/2/tweets/search/stream")
LIST_RULES = ("GET", "/2/tweets/search/stream/rules")
CHANGE_RULES = ("POST", "/2/tweets/search/stream/rules")
USAGE = ("GET", "/2/usage/tweets")
INJECT = ("POST", "/simulator/posts")
CONNECTIONS = ("GET", "/2/connections")
END_CONNECTIONS = ("DELETE", "/2/connections/all")
HEALTH = ("GET", "/simulator/health")
FAULTS = "/simulator/faults"
REQUESTS_PER_WINDOW = {
    STREAM: 50,
    LIST_RULES: 450,
    CHANGE_RULES: 100,
    USAGE: 50,
    # X's documents name no limits for these two
    CONNECTIONS: 50,
    END_CONNECTIONS: 50,
}


@dataclass(frozen=True, slots=True)
class Api:
    """What the requests work on."""

    settings: Settings
    connections: Connections
    history: ConnectionHistory
    backfill: Backfill
    rules: Rules
    usage: ProjectUsage
    posts: PostFactory
    faults: FaultQueue
    ledger: Ledger
    clock: Clock
    health: Callable[[], dict[str, Any]]
    windows: Mapping[tuple[str, str], RateWindow] = field(init=False)

    def __post_init__(self) -> None:
        windows = {route: RateWindow(limit, self.clock) for route, limit in REQUESTS_PER_WINDOW.items()}
        object.__setattr__(self, "windows", windows)


class _BadBody(Exception):
    """A request body that is refused: the status and one line of why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class ApiHandler(BaseHTTPRequestHandler):
    """One client connection; `api` is set on a subclass for each server."""

    api: Api
    protocol_version = "HTTP/1.1"
    server_version = "x-simulator"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer a GET."""
        self._route()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._route()

    def do_DELETE(self) -> None:
        """Answer a DELETE."""
        self._route()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it)
        """Requests are not logged: the ledger tells what matters."""

    def _route(self) -> None:
        url = urlsplit(self.path)
        route = (self.command, url.path)
        query = parse_qs(url.query)
        try:
            body = self._body()
            if route == HEALTH:
                self._answer_json(Answer(200, self.api.health()))
            elif route == INJECT:
                self._inject(body)
            elif url.path == FAULTS:
                self._change_faults(body)
            elif route not in self.api.windows:
                self._answer_json(Answer(404, problems.not_found()), content_type=PROBLEM)
            elif not self._has_token():
                self._answer_json(Answer(401, problems.unauthorized()), content_type=PROBLEM)
            elif route == STREAM:
                self._stream(Selection.from_query(query), query.get("backfill_minutes", ["0"])[0])
            else:
                self._answer_json(self._x_answer(route, query, body), self.api.windows[route].headers())
        except _BadBody as refusal:
            # The rest of such a body would be read as the next request.
            self.close_connection = True
            self._answer_line(refusal.status, str(refusal))

    def _x_answer(self, route: tuple[str, str], query: dict[str, list[str]], body: bytes) -> Answer:
        if route == USAGE:
            return self.api.usage.answer(query)
        if route == CONNECTIONS:
            return self.api.history.page(query)
        if route == END_CONNECTIONS:
            ended = self.api.connections.end_all(END_PATIENCE_SECONDS)
            results = [{"uuid": connection_id, "success": True} for connection_id in ended]
            return Answer(200, {"data": {"successful_kills": len(ended), "failed_kills": 0, "results": results}})
        if route == LIST_RULES:
            return self.api.rules.page(query)
        dry_run = _is_true(query, "dry_run")
        if _is_true(query, "delete_all"):
            return self.api.rules.delete_all(dry_run=dry_run)
        try:
            request = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Answer(400, problems.invalid_request(f"expected JSON in the body, found: {error}"))
        return self.api.rules.change(request, dry_run=dry_run)

    def _stream(self, selection: Selection, backfill_minutes: str) -> None:
        api = self.api
        if backfill_minutes not in map(str, range(LONGEST_MINUTES + 1)):
            reason = f"The `backfill_minutes` query parameter value [{backfill_minutes}] is not between 0 and 5"
            self._answer_json(Answer(400, problems.invalid_request(reason)), content_type=PROBLEM)
            return
        headers = api.windows[STREAM].headers()
        fault = api.faults.on_attempt()
        if fault is not None and fault.what != "gzip":
            self._refuse(fault, headers)
            return
        connection = api.connections.reserve(
            self.client_address[0], lambda number: self._stream_connection(number, selection, gzip=fault is not None)
        )
        if connection is None:
            self._answer_json(Answer(429, problems.too_many_connections()), headers)
            return
        self.close_connection = True
        if fault is not None:
            api.ledger.fault(fault.what, connection.number)
        try:
            # Active before the client can know of it: a post that is injected next must not find nobody connected.
            with connection.held():
                api.connections.activate(connection)
                encoding = {"Content-Encoding": "gzip"} if fault is not None else {}
                headers = {**headers, **encoding, "Transfer-Encoding": "chunked", "Connection": "close"}
                self._send_head(200, JSON, headers)
            connection.send(api.backfill.of_last(int(backfill_minutes)))
            api.connections.end_if_stopped(connection)
            connection.serve()
        finally:
            api.connections.release(connection)

    def _refuse(self, fault: Fault, headers: Mapping[str, str]) -> None:
        self.api.ledger.fault(fault.what, None)
        answer = refusal(fault, self.api.clock)
        if answer is not None:
            self._answer(answer.status, answer.content_type, answer.body, {**headers, **answer.headers})
            return
        self.close_connection = True
        if fault.what == "stall":
            self.connection.settimeout(fault.seconds)
            with contextlib.suppress(TimeoutError):  # it was to last so long
                self.connection.recv(1)
        elif fault.what == "reset":
            # see http_server.shutdown_request
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _change_faults(self, body: bytes) -> None:
        api = self.api
        match self.command:
            case "POST":
                try:
                    api.faults.add(decode_faults(body))
                except Mistake as mistake:
                    self._answer_line(400, str(mistake))
                    return
                api.connections.let_faults_act()
                self._answer_json(Answer(202, {"waiting": len(api.faults.waiting)}))
            case "DELETE":
                self._answer_json(Answer(200, {"forgotten": api.faults.clear()}))
            case _:
                self._answer_json(Answer(200, {"waiting": api.faults.waiting}))

    def _stream_connection(self, number: int, selection: Selection, *, gzip: bool) -> StreamConnection:
        return StreamConnection(
            number,
            self.connection,
            selection,
            self.api.ledger,
            self.api.clock,
            self.api.faults,
            gzip=gzip,
            keep_alive=self.api.settings.keep_alive,
            write_timeout=self.api.settings.write_timeout,
        )

    def _inject(self, body: bytes) -> None:
        try:
            if self.headers.get_content_type() == "application/json":
                post = self.api.posts.from_payload(msgspec.json.decode(body))
            else:
                post = self.api.posts.from_text(body.decode("utf-8"))
        except (PayloadError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._answer_line(400, str(error))
            return
        outcome = self.api.connections.broadcast([post])
        if outcome is not None and outcome.whole:
            self._answer_json(Answer(202, {"id": post.id}))
        else:
            self._answer_line(409, "nobody is connected to the stream, so the post went nowhere")

    def _has_token(self) -> bool:
        given = self.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        expected = f"Bearer {self.api.settings.bearer_token}".encode()
        return hmac.compare_digest(given, expected)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding"):
            raise _BadBody(411, "expected a Content-Length, found a Transfer-Encoding")
        if not (length.isascii() and length.isdecimal()):
            raise _BadBody(400, f"expected a number in Content-Length, found {length!r}")
        if int(length) > MAX_BODY_BYTES:
            raise _BadBody(413, f"expected a body of at most {MAX_BODY_BYTES} bytes, found {length}")
        return self.rfile.read(int(length))

    def _answer_json(self, answer: Answer, headers: Mapping[str, str] | None = None, content_type: str = JSON) -> None:
        self._answer(answer.status, content_type, msgspec.json.encode(answer.body), headers or {})

    def _answer_line(self, status: int, line: str) -> None:
        self._answer(status, TEXT, line.encode() + b"\n", {})

    def _answer(self, status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        self._send_head(status, content_type, {**headers, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _send_head(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def _is_true(query: Mapping[str, list[str]], parameter: str) -> bool:
    return query.get(parameter, ["false"])[0].lower() == "true"
