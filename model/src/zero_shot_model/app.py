"""The routes of the endpoint, as an ASGI application.

GET /ping and POST /invocations are SageMaker's container contract ("Custom Inference Code with Hosting
Services"). POST /endpoints/NAME/invocations is what the client of SageMaker Runtime calls; any name will do.
GET /metrics is Prometheus'. Errors are JSON of one key, `error`, with one line.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from zero_shot_model.calls import Call
from zero_shot_model.errors import BadRequest, CallerGone, EncoderClosed, QueueFull
from zero_shot_model.metrics import RequestMetrics
from zero_shot_model.model_queue import ModelQueue
from zero_shot_model.protocol import ATTRIBUTES, ATTRIBUTES_HEADER, ATTRIBUTES_WITH_EXAMPLES
from zero_shot_model.room import Room

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 1

SENT_AT_ONCE_BYTES = 64 * 1024
"""Of an answer. The server holds about as much of it, beside the next part, for a caller who does not read."""

ABORT_EXTENSION = "zero_shot_model.abort"
"""The extension of ASGI's scope, a function that closes the connection without waiting for what is not sent yet."""

CALLER_GONE = 499
"""The status under which a request is counted that nobody waited for any more; nginx' log has it so."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_INVOCATIONS = re.compile(r"(/endpoints/[^/]+)?/invocations")


@dataclass(frozen=True)
class _Response:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, send: Send) -> None:
        headers = {**self.headers, "content-length": str(len(self.body))}
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        # In parts, so that the server waits between them for a caller who reads slowly.
        last = max(0, len(self.body) - 1) // SENT_AT_ONCE_BYTES * SENT_AT_ONCE_BYTES
        for start in range(0, last, SENT_AT_ONCE_BYTES):
            part = self.body[start : start + SENT_AT_ONCE_BYTES]
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": self.body[last:]})


class App:
    """The application before `queue`. `body_seconds`: the longest time for a body to arrive, and an answer to be read.

    Written to the ASGI specification ("HTTP & WebSocket ASGI Message Format"): for four routes a framework would
    cost more time than it saves lines.
    """

    def __init__(
        self,
        queue: ModelQueue,
        max_body_bytes: int,
        body_seconds: float,
        metrics: RequestMetrics | None = None,
        registry: CollectorRegistry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds
        self._metrics = metrics or RequestMetrics()
        self._registry = registry or CollectorRegistry()
        self._clock = clock
        self._waits: set[asyncio.Timeout] = set()
        self._given_up = False

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One request; nothing but HTTP is served."""
        method, path = scope["method"], scope["path"]
        if _INVOCATIONS.fullmatch(path):
            if method == "POST":
                await self._invoke(scope, receive, send)
                return
            response = _not_allowed(method, path, "POST")
        elif path in {"/ping", "/metrics"}:
            if method in {"GET", "HEAD"}:
                response = self._ping() if path == "/ping" else self._exposition()
            else:
                response = _not_allowed(method, path, "GET, HEAD")
        else:
            response = _error(404, f"{method} {path}: Not Found")
        await self._send(response, scope, send)

    def give_up(self) -> None:
        """End what waits for a caller: a body that still arrives is 503, an answer that is not read is cut off.

        For the loop that runs the application.
        """
        self._given_up = True
        now = asyncio.get_running_loop().time()
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(now)

    def _ping(self) -> _Response:
        if self._queue.ready:
            return _Response(200)
        return _error(503, "the model is not loaded yet")

    def _exposition(self) -> _Response:
        return _Response(200, generate_latest(self._registry), {"content-type": CONTENT_TYPE_LATEST})

    async def _invoke(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        response: _Response | None
        with ExitStack() as rooms:
            try:
                response = await self._answer(scope, receive, rooms)
            except QueueFull as error:
                response = _error(503, str(error))
            except EncoderClosed:
                response = _error(503, "the server is stopping")
            except BadRequest as error:
                logger.debug("refused a request: %s", error)
                response = _error(400, str(error))
            except CallerGone:
                response = None
            except Exception:
                logger.exception("the model failed")
                response = _error(500, "the model failed; the server's log says why")
            self._metrics.requests.labels(CALLER_GONE if response is None else response.status).inc()
            if response is not None:
                await self._send(response, scope, send)

    async def _send(self, response: _Response, scope: Mapping[str, Any], send: Send) -> None:
        try:
            async with self._in_time():
                await response.send(send)
        except TimeoutError:
            logger.warning("an answer of %d bytes was not read in time", len(response.body))
            abort = scope.get("extensions", {}).get(ABORT_EXTENSION)
            if abort is not None:
                abort()
                await asyncio.sleep(0)  # for the server to see it, which calls it a fault of the application otherwise

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, rooms: ExitStack) -> _Response:
        """Takes what room it needs until `rooms` are closed.

        Raises CallerGone when the caller closes the connection, and what the queue raises.
        """
        if self._given_up:
            raise EncoderClosed
        self._queue.requests.check()
        announced = _announced_length(scope)
        if announced > self._max_body_bytes:
            return self._too_large()
        body = rooms.enter_context(_Body(self._queue.body_bytes, self._max_body_bytes))
        try:
            async with self._in_time():
                whole = await body.read(receive)
        except TimeoutError:
            if self._given_up:
                raise EncoderClosed from None
            return _error(408, f"body: expected it within {self._body_seconds} s, found it unfinished")
        if whole is None:
            return self._too_large()
        rooms.enter_context(self._queue.requests.taken(1))
        rooms.enter_context(self._metrics.under_way.track_inprogress())
        return await self._judge(whole, receive)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """Raises TimeoutError after `body_seconds`, or when it is given up."""
        async with asyncio.timeout(self._body_seconds) as wait:
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)

    async def _judge(self, body: bytes, receive: Receive) -> _Response:
        began = self._clock()
        call = Call()
        watch = asyncio.ensure_future(_disconnected(receive))
        watch.add_done_callback(lambda ended: None if ended.cancelled() else call.cancel())
        try:
            answer = await self._queue.answer(body, call)
        finally:
            watch.cancel()
        self._metrics.request_seconds.observe(self._clock() - began)
        attributes = ATTRIBUTES_WITH_EXAMPLES if self._queue.knows_examples else ATTRIBUTES
        return _Response(200, answer, {"content-type": "application/json", ATTRIBUTES_HEADER: attributes})

    def _too_large(self) -> _Response:
        return _error(413, f"body: expected at most {self._max_body_bytes} bytes, found more")


class _Body:
    """A body as it arrives; what has arrived takes room while the context is open."""

    def __init__(self, room: Room, max_bytes: int) -> None:
        self._room = room
        self._max_bytes = max_bytes
        self._taken = 0

    def __enter__(self) -> "_Body":
        return self

    def __exit__(self, *_: object) -> None:
        self._room.give_back(self._taken)

    async def read(self, receive: Receive) -> bytes | None:
        """The whole body, or None as soon as it is longer than it may be. Raises CallerGone and QueueFull."""
        chunks = []
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerGone
            chunk = message.get("body", b"")
            if self._taken + len(chunk) > self._max_bytes:
                return None
            self._room.take(len(chunk))
            self._taken += len(chunk)
            chunks.append(chunk)
            more = message.get("more_body", False)
        return b"".join(chunks)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _announced_length(scope: Mapping[str, Any]) -> int:
    """The Content-Length, or 0 where there is none: such a body comes in chunks."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> _Response:
    retry = {"retry-after": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    content = msgspec.json.encode({"error": message})
    return _Response(status, content, {"content-type": "application/json", **retry, **(headers or {})})


def _not_allowed(method: str, path: str, allowed: str) -> _Response:
    return _error(405, f"{method} {path}: Method Not Allowed", {"allow": allowed})
