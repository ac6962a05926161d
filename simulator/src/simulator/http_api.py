"""The HTTP side: paths, tokens, status codes and headers."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from simulator import problems
from simulator.backfill import LONGEST_MINUTES, Backfill
from simulator.clock import Clock
from simulator.connections import Connections
from simulator.fields import Selection
from simulator.injection import PostFactory
from simulator.ledger import Ledger
from simulator.posts_file import PayloadError
from simulator.rate_window import RateWindow
from simulator.rules import Answer, Rules
from simulator.settings import Settings
from simulator.stream_connection import StreamConnection
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
HEALTH = ("GET", "/simulator/health")
REQUESTS_PER_WINDOW = {STREAM: 50, LIST_RULES: 450, CHANGE_RULES: 100, USAGE: 50}


@dataclass(frozen=True, slots=True)
class Api:
    """What the requests work on."""

    settings: Settings
    connections: Connections
    backfill: Backfill
    rules: Rules
    usage: ProjectUsage
    posts: PostFactory
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
            return Answer(200, self.api.usage.as_json())
        if route == LIST_RULES:
            return self.api.rules.page(query)
        try:
            request = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Answer(400, problems.invalid_request(f"expected JSON in the body, found: {error}"))
        return self.api.rules.change(request, dry_run=query.get("dry_run", ["false"])[0].lower() == "true")

    def _stream(self, selection: Selection, backfill_minutes: str) -> None:
        api = self.api
        if backfill_minutes not in map(str, range(LONGEST_MINUTES + 1)):
            reason = f"The `backfill_minutes` query parameter value [{backfill_minutes}] is not between 0 and 5"
            self._answer_json(Answer(400, problems.invalid_request(reason)), content_type=PROBLEM)
            return
        headers = api.windows[STREAM].headers()
        connection = api.connections.reserve(lambda number: self._stream_connection(number, selection))
        if connection is None:
            self._answer_json(Answer(429, problems.too_many_connections()), headers)
            return
        self.close_connection = True
        try:
            # Active before the client can know of it: a post that is injected next must not find nobody connected.
            with connection.held():
                api.connections.activate(connection)
                self._send_head(200, JSON, {**headers, "Transfer-Encoding": "chunked", "Connection": "close"})
            if missed := api.backfill.of_last(int(backfill_minutes)):
                connection.send(missed)
            api.connections.end_if_stopped(connection)
            connection.serve()
        finally:
            api.connections.release(connection)

    def _stream_connection(self, number: int, selection: Selection) -> StreamConnection:
        return StreamConnection(
            number,
            self.connection,
            selection,
            self.api.ledger,
            self.api.clock,
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
        if self.api.connections.broadcast([post]):
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
