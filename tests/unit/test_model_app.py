"""Routes, bounds and order, over a classifier that waits until it is let go."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from starlette.types import ASGIApp

from zero_shot_model.app import create_app
from zero_shot_model.encoder import DIMENSIONS, Vectors
from zero_shot_model.errors import EncoderClosed
from zero_shot_model.model_queue import WARM_UP_TEXT, ModelQueue
from zero_shot_model.protocol import Limits, read_request
from zero_shot_model.scoring import ZeroShotClassifier

DEADLINE_SECONDS = 20


class GatedEncoder:
    """Encodes texts whose name starts with "post" only once `gate` is open; remembers their order."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.posts: list[str] = []
        self.failure: Exception | None = None

    def encode(self, texts: Sequence[str]) -> Vectors:
        posts = [text for text in texts if text.startswith("post")]
        self.posts += posts
        if posts:
            assert self.gate.wait(DEADLINE_SECONDS)
            if self.failure is not None:
                raise self.failure
        return np.full((len(texts), DIMENSIONS), DIMENSIONS**-0.5, np.float32)


class Client:
    """Speaks ASGI to the application in this very loop."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def send(
        self, path: str, body: bytes = b"", method: str = "POST", whole: bool = True
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and decoded body. Without `whole` the end of the body never comes."""
        parts = [{"type": "http.request", "body": body, "more_body": not whole}]
        sent: list[Any] = []

        async def receive() -> Any:
            return parts.pop() if parts else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": []}
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], headers, json.loads(content) if content else None

    async def classify(self, text: str, path: str = "/invocations") -> tuple[int, dict[str, str], Any]:
        body = {"inputs": text, "parameters": {"candidate_labels": ["flood"]}}
        return await self.send(path, json.dumps(body).encode())


@asynccontextmanager
async def client_of(
    encoder: GatedEncoder, max_waiting: int = 32, body_seconds: float = DEADLINE_SECONDS, start: bool = True
) -> AsyncIterator[Client]:
    queue = ModelQueue(lambda: ZeroShotClassifier(encoder), max_waiting)
    if start:
        await queue.start()
    try:
        limits = Limits(inputs=2, labels=2)
        yield Client(create_app(queue, limits, max_body_bytes=1000, body_seconds=body_seconds))
    finally:
        encoder.gate.set()
        await asyncio.to_thread(queue.stop)


async def until(encoder: GatedEncoder, posts: int) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(encoder.posts) < posts:
            await asyncio.sleep(0.001)


def test_ping_is_503_until_the_model_has_answered_once() -> None:
    async def scenario() -> None:
        async with client_of(GatedEncoder(), start=False) as client:
            assert (await client.send("/ping", method="GET"))[0] == 503
        async with client_of(GatedEncoder()) as client:
            assert (await client.send("/ping", method="GET"))[0] == 200

    asyncio.run(scenario())


def test_the_warm_up_runs_the_model() -> None:
    class WarmUpFails(GatedEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            if WARM_UP_TEXT in texts:
                raise RuntimeError("no such instruction")
            return super().encode(texts)

    async def scenario() -> bool:
        queue = ModelQueue(lambda: ZeroShotClassifier(WarmUpFails()), max_waiting=1)
        try:
            await queue.start()
        except RuntimeError:
            return queue.ready
        finally:
            queue.stop()
        raise AssertionError("the failure of the warm-up was lost")

    assert asyncio.run(scenario()) is False


def test_both_routes_answer() -> None:
    async def scenario() -> None:
        async with client_of(GatedEncoder()) as client:
            for path in ("/invocations", "/endpoints/any-name/invocations"):
                status, _, content = await client.classify("post", path)
                assert (status, content["labels"]) == (200, ["flood"])

    asyncio.run(scenario())


def test_a_route_or_method_that_does_not_exist_is_an_error_of_one_line() -> None:
    async def scenario() -> None:
        async with client_of(GatedEncoder()) as client:
            status, _, content = await client.send("/invocation")
            assert (status, content) == (404, {"error": "POST /invocation: Not Found"})
            status, headers, content = await client.send("/invocations", method="GET")
            assert (status, headers["allow"]) == (405, "POST")
            assert content == {"error": "GET /invocations: Method Not Allowed"}

    asyncio.run(scenario())


def test_a_body_over_the_bound_is_413_though_it_announced_no_length() -> None:
    async def scenario() -> None:
        async with client_of(GatedEncoder()) as client:
            status, _, content = await client.send("/invocations", b"a" * 1001)
            assert (status, content) == (413, {"error": "body: expected at most 1000 bytes, found more"})

    asyncio.run(scenario())


def test_a_body_that_does_not_arrive_is_408() -> None:
    async def scenario() -> None:
        async with client_of(GatedEncoder(), body_seconds=0.01) as client:
            assert (await client.send("/invocations", b"{", whole=False))[0] == 408

    asyncio.run(scenario())


def test_a_refused_request_is_400_with_the_reason() -> None:
    async def scenario() -> None:
        async with client_of(GatedEncoder()) as client:
            status, _, content = await client.send("/invocations", b"{}")
            assert (status, list(content)) == (400, ["error"])

    asyncio.run(scenario())


def test_a_full_queue_is_503_with_a_time_to_wait_and_takes_requests_again_later() -> None:
    async def scenario() -> None:
        encoder = GatedEncoder()
        async with client_of(encoder, max_waiting=1) as client:
            encoder.gate.clear()
            running = asyncio.create_task(client.classify("post 1"))
            await until(encoder, posts=1)
            waiting = asyncio.create_task(client.classify("post 2"))
            await asyncio.sleep(0)
            status, headers, content = await client.classify("post 3")
            assert (status, headers["retry-after"]) == (503, "1")
            assert content == {"error": "2 requests are under way; try again later"}
            encoder.gate.set()
            assert [(await running)[0], (await waiting)[0]] == [200, 200]
            assert (await client.classify("post 4"))[0] == 200

    asyncio.run(scenario())


def test_ping_answers_while_the_model_is_busy_and_the_queue_full() -> None:
    async def scenario() -> None:
        encoder = GatedEncoder()
        async with client_of(encoder, max_waiting=0) as client:
            encoder.gate.clear()
            running = asyncio.create_task(client.classify("post"))
            await until(encoder, posts=1)
            assert (await client.send("/ping", method="GET"))[0] == 200
            encoder.gate.set()
            await running

    asyncio.run(scenario())


def test_requests_run_in_the_order_of_their_arrival() -> None:
    async def scenario() -> None:
        encoder = GatedEncoder()
        queue = ModelQueue(lambda: ZeroShotClassifier(encoder), max_waiting=9)
        await queue.start()
        encoder.gate.clear()
        texts = [f"post {number}" for number in range(8)]
        bodies = [json.dumps({"inputs": text, "parameters": {"candidate_labels": "flood"}}) for text in texts]
        requests = [read_request(body.encode(), Limits(1, 1)) for body in bodies]
        answers = [asyncio.create_task(queue.answer(request)) for request in requests]
        await until(encoder, posts=1)
        encoder.gate.set()
        await asyncio.gather(*answers)
        queue.stop()
        assert encoder.posts == texts

    asyncio.run(scenario())


def test_a_failure_of_the_model_is_500_and_the_next_request_is_answered() -> None:
    async def scenario() -> None:
        encoder = GatedEncoder()
        async with client_of(encoder) as client:
            encoder.failure = RuntimeError("out of memory")
            status, _, content = await client.classify("post 1")
            assert (status, content) == (500, {"error": "the model failed; the server's log says why"})
            encoder.failure = None
            assert (await client.classify("post 2"))[0] == 200

    asyncio.run(scenario())


def test_a_request_cut_off_by_the_end_is_503() -> None:
    async def scenario() -> None:
        encoder = GatedEncoder()
        encoder.failure = EncoderClosed()
        async with client_of(encoder) as client:
            status, headers, content = await client.classify("post")
            assert (status, headers["retry-after"]) == (503, "1")
            assert content == {"error": "the server is stopping"}

    asyncio.run(scenario())
