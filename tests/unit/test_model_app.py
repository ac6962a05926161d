"""Routes, bounds and refusals, over a model that waits until it is let go."""

import asyncio
import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.support.model_client import DEADLINE_SECONDS, Client, GatedBackend, client_of, until
from zero_shot_model.app import App
from zero_shot_model.errors import EncoderClosed
from zero_shot_model.metrics import RequestMetrics
from zero_shot_model.model_queue import Bounds, ModelQueue
from zero_shot_model.protocol import ClassificationRequest, Limits
from zero_shot_model.scoring import Classification


def test_ping_is_503_until_the_model_has_answered_once() -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend(), start=False) as client:
            assert (await client.send("/ping", method="GET"))[0] == 503
        async with client_of(GatedBackend()) as client:
            assert (await client.send("/ping", method="GET"))[0] == 200

    asyncio.run(scenario())


def test_a_model_whose_warm_up_fails_never_becomes_ready() -> None:
    class WarmUpFails(GatedBackend):
        def classify(self, request: ClassificationRequest) -> list[Classification]:
            raise RuntimeError("no such instruction")

    async def scenario() -> None:
        backend = WarmUpFails()
        queue = ModelQueue(lambda: backend, Limits(1, 1), Bounds(1, 1, 1))
        with pytest.raises(RuntimeError, match="no such instruction"):
            await queue.start()
        assert (queue.ready, backend.closed) == (False, True)
        queue.stop()

    asyncio.run(scenario())


def test_a_request_that_comes_before_the_model_is_loaded_waits_for_it() -> None:
    async def scenario() -> None:
        may_load, backend = threading.Event(), GatedBackend()

        def load() -> GatedBackend:
            assert may_load.wait(DEADLINE_SECONDS)
            return backend

        registry = CollectorRegistry()
        metrics = RequestMetrics(registry)
        queue = ModelQueue(load, Limits(1, 1), Bounds(9, 9, 999), metrics)
        client = Client(App(queue, 999, DEADLINE_SECONDS, metrics), registry)
        starting = asyncio.create_task(queue.start())
        early = asyncio.create_task(client.classify("early"))
        await until(lambda: client.value("model_requests_under_way") == 1)
        assert not early.done()
        may_load.set()
        await starting
        assert (await early)[0] == 200
        await asyncio.to_thread(queue.stop)

    asyncio.run(scenario())


def test_both_routes_answer() -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend()) as client:
            for path in ("/invocations", "/endpoints/any-name/invocations"):
                status, _, content = await client.classify("post", path=path)
                assert (status, content[0]["labels"]) == (200, ["flood"])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("knows_examples", "attributes"), [(True, "zero-shot-model; examples"), (False, "zero-shot-model")]
)
def test_an_answer_says_whether_the_model_knows_examples(knows_examples: bool, attributes: str) -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend(knows_examples)) as client:
            _, headers, _ = await client.classify("post")
            assert headers["x-amzn-sagemaker-custom-attributes"] == attributes

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed", "message"),
    [
        ("POST", "/invocation", 404, None, "POST /invocation: Not Found"),
        ("POST", "/endpoints/a/b/invocations", 404, None, "POST /endpoints/a/b/invocations: Not Found"),
        ("GET", "/invocations", 405, "POST", "GET /invocations: Method Not Allowed"),
        ("POST", "/ping", 405, "GET, HEAD", "POST /ping: Method Not Allowed"),
    ],
)
def test_a_route_or_method_that_does_not_exist_is_an_error_of_one_line(
    method: str, path: str, status: int, allowed: str | None, message: str
) -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend()) as client:
            found, headers, content = await client.send(path, method=method)
            assert (found, headers.get("allow"), content) == (status, allowed, {"error": message})

    asyncio.run(scenario())


def test_a_body_over_the_bound_is_413_though_it_announced_no_length() -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend()) as client:
            status, _, content = await client.send("/invocations", b"a" * 600, b"a" * 401)
            assert (status, content) == (413, {"error": "body: expected at most 1000 bytes, found more"})

    asyncio.run(scenario())


def test_a_body_that_does_not_arrive_is_408() -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend(), body_seconds=0.01) as client:
            assert (await client.send("/invocations", b"{", whole=False))[0] == 408

    asyncio.run(scenario())


def test_a_body_that_is_cut_off_takes_no_room_and_gets_no_answer() -> None:
    async def scenario() -> None:
        gone = asyncio.Event()
        gone.set()
        async with client_of(GatedBackend(), requests=1, body_bytes=600) as client:
            for _ in range(2):
                assert (await client.send("/invocations", b"a" * 500, whole=False, gone=gone))[0] == 0
            assert (await client.classify("post"))[0] == 200
            assert client.value("model_requests_total", status="499") == 2

    asyncio.run(scenario())


def test_slow_bodies_do_not_keep_others_from_the_model() -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend(), requests=1) as client:
            gone = asyncio.Event()
            slow = [asyncio.create_task(client.send("/invocations", b"{", whole=False, gone=gone)) for _ in range(9)]
            await asyncio.sleep(0)
            assert (await client.classify("post"))[0] == 200
            gone.set()
            await asyncio.gather(*slow)

    asyncio.run(scenario())


def test_a_refused_request_is_400_with_the_reason() -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend()) as client:
            status, _, content = await client.send("/invocations", b"{}")
            assert (status, list(content)) == (400, ["error"])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"requests": 2}, "2 requests are under way; try again later"),
        ({"texts": 3}, "3 texts are under way; try again later"),
        ({"body_bytes": 200}, "bytes of requests are under way; try again later"),
    ],
)
def test_what_is_too_much_is_503_with_a_time_to_wait_and_taken_again_later(
    bounds: dict[str, Any], message: str
) -> None:
    async def scenario() -> None:
        backend = GatedBackend()
        async with client_of(backend, **bounds) as client:
            backend.gate.clear()
            running = asyncio.create_task(client.classify("post 1"))
            waiting = asyncio.create_task(client.classify("post 2", "post 3"))
            await until(lambda: len(backend.began) == 3)
            status, headers, content = await client.classify("post 4")
            assert (status, headers["retry-after"]) == (503, "1")
            assert message in content["error"]
            backend.gate.set()
            assert [(await running)[0], (await waiting)[0]] == [200, 200]
            assert (await client.classify("post 4"))[0] == 200

    asyncio.run(scenario())


def test_ping_answers_while_the_model_is_busy_and_the_queue_full() -> None:
    async def scenario() -> None:
        backend = GatedBackend()
        async with client_of(backend, requests=1) as client:
            backend.gate.clear()
            running = asyncio.create_task(client.classify("post"))
            await until(lambda: backend.began)
            assert (await client.send("/ping", method="GET"))[0] == 200
            backend.gate.set()
            await running

    asyncio.run(scenario())


def test_a_failure_of_the_model_is_500_and_the_next_request_is_answered() -> None:
    async def scenario() -> None:
        backend = GatedBackend()
        async with client_of(backend) as client:
            backend.failure = RuntimeError("out of memory")
            status, _, content = await client.classify("post 1")
            assert (status, content) == (500, {"error": "the model failed; the server's log says why"})
            backend.failure = None
            assert (await client.classify("post 2"))[0] == 200

    asyncio.run(scenario())


def test_a_thread_that_cannot_be_had_is_a_failure_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario() -> None:
        async with client_of(GatedBackend()) as client:
            with monkeypatch.context() as patch:
                patch.setattr(threading.Thread, "start", start)
                status, _, content = await client.classify("post")
            assert (status, content) == (500, {"error": "the model failed; the server's log says why"})

    asyncio.run(scenario())


def test_a_request_cut_off_by_the_end_is_503() -> None:
    async def scenario() -> None:
        backend = GatedBackend()
        backend.failure = EncoderClosed()
        async with client_of(backend) as client:
            status, headers, content = await client.classify("post")
            assert (status, headers["retry-after"]) == (503, "1")
            assert content == {"error": "the server is stopping"}

    asyncio.run(scenario())


def test_a_request_after_the_end_is_503() -> None:
    async def scenario() -> None:
        backend = GatedBackend()
        queue = ModelQueue(lambda: backend, Limits(1, 1), Bounds(9, 9, 999))
        await queue.start()
        await asyncio.to_thread(queue.stop)
        client = Client(App(queue, 999, DEADLINE_SECONDS), CollectorRegistry())
        assert ((await client.classify("post"))[0], backend.closed) == (503, True)

    asyncio.run(scenario())


def test_a_caller_who_has_gone_is_not_judged_and_leaves_room() -> None:
    async def scenario() -> None:
        backend, gone = GatedBackend(), asyncio.Event()
        async with client_of(backend, requests=1) as client:
            backend.gate.clear()
            request = asyncio.create_task(client.classify("post 1", gone=gone))
            await until(lambda: backend.began)
            gone.set()
            await until(lambda: backend.calls[0].cancelled)
            backend.gate.set()
            assert (await request)[0] == 0
            assert (await client.classify("post 2"))[0] == 200
            assert backend.judged == ["post 2"]
            assert client.value("model_requests_total", status="499") == 1

    asyncio.run(scenario())


def test_metrics_tell_of_requests_texts_and_pairs() -> None:
    async def scenario() -> None:
        async with client_of(GatedBackend()) as client:
            await client.classify("post 1", "post 2")
            await client.send("/invocations", b"{}")
            status, headers, content = await client.send("/metrics", method="GET")
            assert (status, headers["content-type"].partition(";")[0]) == (200, "text/plain")
            assert 'model_requests_total{status="200"} 1.0' in content
            assert 'model_requests_total{status="400"} 1.0' in content
            assert (client.value("model_texts_total"), client.value("model_pairs_total")) == (2, 2)
            assert client.value("model_requests_under_way") == 0
            assert client.value("model_request_seconds_count") == 1

    asyncio.run(scenario())
