"""A model endpoint of known speed in a process of its own, in SageMaker's protocol, with books of what it was asked.

Every call takes a fixed time and some more for each text. It serves a fixed number of calls at once, in the order in
which they came; one is what a model on one core does. Nothing is computed: the time passes on the clock.
"""

import asyncio
import heapq
import itertools
import re
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import msgspec
import uvicorn

from bench.child_process import ChildProcess
from bench.classifier.cores import Cores
from bench.classifier.posts import number_in

_PATH = re.compile(r"/endpoints/[^/]+/invocations")
#: The scores of a label that a text is about, and of all others, whatever the thresholds are.
_HIGH, _LOW = 1.0, 0.0
#: Of every so many posts with numbers one after the other, the share that one label passes for.
_OF, _ALERTS = 5, 2
ALERT_SHARE = _ALERTS / _OF

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Speed:
    """Seconds that a call takes, and seconds more for each of its texts; ``slots`` calls are served at once."""

    call: float = 0.02
    text: float = 0.002
    slots: int = 1


@dataclass
class Books:
    """Calls with posts and the texts in them, since the books were asked for last.

    ``seconds`` are those of the call that a post was last in, by the post's number: from the request's last byte to the
    answer's first. Calls without any post, as a service makes to see whether the endpoint is there, are not counted.
    """

    calls: int = 0
    texts: int = 0
    seconds: dict[int, float] = field(default_factory=dict)


class StubEndpoint:
    """Listens on 127.0.0.1 while its context is open."""

    def __init__(self, speed: Speed) -> None:
        self._process = ChildProcess("the stub endpoint", _run, speed)
        self.url = ""

    def __enter__(self) -> Self:
        self._process.__enter__()
        self.url = self._process.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)

    def books(self) -> Books:
        """Since the last time that they were asked for."""
        return self._process.ask("books")  # type: ignore[no-any-return]


@contextmanager
def running_stub(speed: Speed, cores: Cores) -> Iterator[StubEndpoint]:
    """A stub on the model's core."""
    with ExitStack() as stack:
        with cores.for_model():
            stub = stack.enter_context(StubEndpoint(speed))
        yield stub


def is_alert(number: int) -> bool:
    """Whether a label passes for the post of this number."""
    return number % _OF < _ALERTS


class Slots:
    """Which call is served when: by this plan, not by when a timer happened to fire, for lateness must not add up."""

    def __init__(self, count: int) -> None:
        self._free_at = [0.0] * count

    def end_of_call(self, arrived: float, seconds: float) -> float:
        """When a call ends that takes so many seconds from when a slot is free; all on one clock."""
        end = max(arrived, self._free_at[0]) + seconds
        heapq.heapreplace(self._free_at, end)
        return end


class _Parameters(msgspec.Struct):
    candidate_labels: list[str]


class _Request(msgspec.Struct):
    inputs: list[str] | str
    parameters: _Parameters


class _Endpoint:
    """The application (ASGI)."""

    def __init__(self, speed: Speed) -> None:
        self._speed = speed
        self._slots = Slots(speed.slots)
        self._decoder = msgspec.json.Decoder(_Request)
        self._encoder = msgspec.json.Encoder()
        self.books = Books()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        arrived = time.monotonic()
        if scope["method"] != "POST" or not _PATH.fullmatch(scope["path"]):
            await self._respond(send, 404, {"error": "expected POST /endpoints/NAME/invocations"})
            return
        try:
            request = self._decoder.decode(body)
        except msgspec.DecodeError as error:
            await self._respond(send, 400, {"error": str(error)})
            return
        texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
        await self._take_the_time(arrived, len(texts))
        self._enter(texts, time.monotonic() - arrived)
        answers = [self._answer(text, request.parameters.candidate_labels) for text in texts]
        await self._respond(send, 200, answers[0] if isinstance(request.inputs, str) else answers)

    async def _take_the_time(self, arrived: float, texts: int) -> None:
        seconds = self._speed.call + texts * self._speed.text
        if seconds:
            await asyncio.sleep(self._slots.end_of_call(arrived, seconds) - time.monotonic())

    def _enter(self, texts: list[str], seconds: float) -> None:
        posts = [number for number in map(number_in, texts) if number is not None]
        if posts:
            self.books.calls += 1
            self.books.texts += len(texts)
            self.books.seconds.update(zip(posts, itertools.repeat(seconds)))

    def _answer(self, text: str, labels: list[str]) -> dict[str, Any]:
        number = number_in(text)
        best = _HIGH if number is not None and is_alert(number) else _LOW
        return {"sequence": text, "labels": labels, "scores": [best, *([_LOW] * (len(labels) - 1))]}

    async def _respond(self, send: Send, status: int, content: Any) -> None:
        body = self._encoder.encode(content)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _run(pipe: Connection, speed: Speed) -> None:
    asyncio.run(_serve(pipe, speed))


async def _serve(pipe: Connection, speed: Speed) -> None:
    endpoint = _Endpoint(speed)
    # with the protocol named: only then asyncio sets TCP_NODELAY, without which an answer takes 40 ms more at times
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(endpoint, lifespan="off", log_config=None, access_log=False))
    loop = asyncio.get_running_loop()

    def answer() -> None:
        try:
            pipe.recv()
        except EOFError:
            loop.remove_reader(pipe.fileno())
            server.should_exit = True
        else:
            pipe.send(endpoint.books)
            endpoint.books = Books()

    loop.add_reader(pipe.fileno(), answer)
    pipe.send(f"http://127.0.0.1:{listener.getsockname()[1]}")
    await server.serve(sockets=[listener])
