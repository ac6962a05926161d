"""How large an answer may be, and a caller who does not read it."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.model_client import GatedBackend, client_of, until
from zero_shot_model.app import SENT_AT_ONCE_BYTES
from zero_shot_model.errors import BadRequest
from zero_shot_model.protocol import ClassificationRequest, Limits, answer, read_request
from zero_shot_model.scoring import Classification

LIMIT = 6 * 1024 * 1024
LONGEST_SCORE = 1.2345678901234567e-300


def body_of(inputs: list[str] | str, labels: list[str]) -> bytes:
    return json.dumps({"inputs": inputs, "parameters": {"candidate_labels": labels}}, ensure_ascii=False).encode()


def answered(request: ClassificationRequest) -> bytes:
    labels = request.labels
    return answer(request, [Classification(labels, [LONGEST_SCORE] * len(labels)) for _ in request.texts])


def test_a_small_request_with_a_huge_answer_is_refused() -> None:
    labels = ["\N{VOLCANO}" * 998 + f"{number:02}" for number in range(100)]
    body = body_of(["a"] * 512, labels)
    assert len(body) < 500_000
    with pytest.raises(
        BadRequest, match=rf"^request: expected an answer of at most {LIMIT} bytes, found .* 205\d{{6}}"
    ):
        read_request(body, Limits(512, 100, LIMIT))
    assert len(answered(read_request(body, Limits(512, 100, 300_000_000)))) > 200_000_000


def test_as_many_texts_and_labels_as_are_allowed_have_room() -> None:
    texts = [f"{number} " + "abc " * 100 for number in range(512)]
    assert len(read_request(body_of(texts, ["a label of words"] * 100), Limits(512, 100, LIMIT)).texts) == 512


@given(
    st.lists(st.text(max_size=20), min_size=1, max_size=4),
    st.lists(st.text(min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=4),
    st.booleans(),
)
def test_no_answer_is_larger_than_was_reckoned(texts: list[str], labels: list[str], single: bool) -> None:
    body = body_of(texts[0] if single and texts[0] else texts, labels)
    size = len(answered(read_request(body, Limits(4, 4, LIMIT))))
    with pytest.raises(BadRequest, match="expected an answer of at most"):
        read_request(body, Limits(4, 4, size - 1))


def test_an_answer_is_sent_in_parts_and_comes_whole() -> None:
    async def scenario() -> None:
        parts: list[int] = []

        async def reads(message: Any) -> None:
            parts.append(len(message.get("body", b"")))

        text = "a" * (2 * SENT_AT_ONCE_BYTES)
        async with client_of(GatedBackend(), max_body_bytes=LIMIT) as client:
            status, headers, content = await client.classify(text, reads=reads)
        assert (status, content[0]["sequence"]) == (200, text)
        assert sum(parts) == int(headers["content-length"])
        assert parts[1:3] == [SENT_AT_ONCE_BYTES] * 2
        assert max(parts) == SENT_AT_ONCE_BYTES

    asyncio.run(scenario())


def test_an_answer_that_is_not_read_keeps_its_room_until_its_time_is_over() -> None:
    async def scenario() -> None:
        began = asyncio.Event()

        async def reads(_: Any) -> None:
            began.set()
            await asyncio.Event().wait()

        async with client_of(GatedBackend(), requests=1, body_seconds=1) as client:
            unread = asyncio.create_task(client.classify("post 1", reads=reads))
            await began.wait()
            assert client.value("model_requests_under_way") == 1
            assert (await client.classify("post 2"))[0] == 503
            await unread
            assert client.value("model_requests_under_way") == 0
            assert (await client.classify("post 3"))[0] == 200

    asyncio.run(scenario())


def test_who_sends_or_reads_on_when_the_server_gives_up_is_ended() -> None:
    async def scenario() -> None:
        reading, backend = asyncio.Event(), GatedBackend()

        async def reads(_: Any) -> None:
            reading.set()
            await asyncio.Event().wait()

        async with client_of(backend) as client:
            unread = asyncio.create_task(client.classify("post", reads=reads))
            sending = asyncio.create_task(client.send("/invocations", b"{", whole=False))
            await reading.wait()
            client.app.give_up()
            status, headers, content = await sending
            assert (status, headers["retry-after"], content) == (503, "1", {"error": "the server is stopping"})
            await unread
            later = await client.send("/invocations", b"{", whole=False)
            assert later[0] == 503

    asyncio.run(scenario())


def test_what_the_model_answers_after_the_server_gave_up_is_still_sent() -> None:
    async def scenario() -> None:
        backend = GatedBackend()
        async with client_of(backend) as client:
            backend.gate.clear()
            running = asyncio.create_task(client.classify("post"))
            await until(lambda: backend.began)
            client.app.give_up()
            backend.gate.set()
            assert (await running)[0] == 200

    asyncio.run(scenario())
