"""The application of the endpoint before a model that waits until it is let go, and a client that speaks ASGI to it."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import CollectorRegistry

from zero_shot_model.app import App
from zero_shot_model.calls import Call, CurrentCall
from zero_shot_model.metrics import RequestMetrics
from zero_shot_model.model_queue import WARM_UP_TEXT, Bounds, ModelQueue
from zero_shot_model.protocol import ClassificationRequest, Limits
from zero_shot_model.scoring import Classification

DEADLINE_SECONDS = 20


class GatedBackend:
    """Judges posts once `gate` is open; remembers them. Those whose caller has gone are dropped when it is."""

    def __init__(self, knows_examples: bool = True) -> None:
        self.knows_examples = knows_examples
        self.current = CurrentCall()
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[Call] = []
        self.began: list[str] = []
        self.judged: list[str] = []
        self.failure: Exception | None = None
        self.closed = False

    def classify(self, request: ClassificationRequest) -> list[Classification]:
        if request.texts != [WARM_UP_TEXT]:
            self.calls.append(self.current.get())
            self.began += request.texts
            assert self.gate.wait(DEADLINE_SECONDS)
            self.current.get().check()
            if self.failure is not None:
                raise self.failure
            self.judged += request.texts
        return [Classification(request.labels, [0.5] * len(request.labels)) for _ in request.texts]

    def close(self) -> None:
        self.closed = True


class Client:
    """Speaks ASGI to the application in this very loop."""

    def __init__(self, app: App, registry: CollectorRegistry) -> None:
        self.app = app
        self._registry = registry

    async def send(
        self,
        path: str,
        *chunks: bytes,
        method: str = "POST",
        whole: bool = True,
        gone: asyncio.Event | None = None,
        reads: Callable[[Any], Awaitable[None]] | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and decoded body; status 0 for no answer at all.

        Without `whole` the end of the body never comes; `gone` is set when the caller closes the connection; `reads`
        is awaited with each part of an answer before the next is taken.
        """
        bodies = list(chunks or [b""])
        sent: list[Any] = []

        async def receive() -> Any:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(0), "more_body": bool(bodies) or not whole}
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if reads is not None:
                await reads(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.app(scope, receive, send)
        if not sent:
            return 0, {}, None
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        content = b"".join(message.get("body", b"") for message in sent[1:])
        is_json = headers.get("content-type") == "application/json"
        return sent[0]["status"], headers, json.loads(content) if is_json and content else content.decode()

    async def classify(
        self, *texts: str, path: str = "/invocations", **options: Any
    ) -> tuple[int, dict[str, str], Any]:
        body = {"inputs": list(texts), "parameters": {"candidate_labels": ["flood"]}}
        return await self.send(path, json.dumps(body).encode(), **options)

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)


@asynccontextmanager
async def client_of(
    backend: GatedBackend,
    requests: int = 33,
    texts: int = 100,
    body_bytes: int = 10_000,
    max_body_bytes: int = 1000,
    body_seconds: float = DEADLINE_SECONDS,
    start: bool = True,
) -> AsyncIterator[Client]:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    bounds = Bounds(requests, texts, body_bytes)
    queue = ModelQueue(lambda: backend, Limits(inputs=4, labels=2), bounds, metrics, backend.current)
    app = App(queue, max_body_bytes, body_seconds, metrics, registry)
    if start:
        await queue.start()
    try:
        yield Client(app, registry)
    finally:
        backend.gate.set()
        await asyncio.to_thread(queue.stop)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)
