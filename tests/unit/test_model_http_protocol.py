"""How large the head of a request may be, and how long it may take, over real connections."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from zero_shot_model.app import ABORT_EXTENSION
from zero_shot_model.http_protocol import MAX_HEAD_BYTES, protocol_class

DEADLINE_SECONDS = 20
LONG = 3600.0
SHORT = 0.15
GET = b"GET /%b HTTP/1.1\r\nhost: model\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; /headers with their number; /early before it has the body."""
    if scope["path"] == "/abort":
        scope["extensions"][ABORT_EXTENSION]()
        await asyncio.sleep(0)
        return
    if scope["path"] == "/early":
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * SHORT)
    length, more = 0, True
    while more:
        message: MutableMapping[str, Any] = await receive()
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"] == "/headers":
        length = len(scope["headers"])
    body = b"%d" % length
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def talk(head_seconds: float, conversation: Talk) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        protocol = protocol_class(head_seconds)
        config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None)
        config.load()
        state = ServerState()
        server = await loop.create_server(
            lambda: protocol(config=config, server_state=state, app_state={}, _loop=loop),  # type: ignore[call-arg]
            "127.0.0.1",
            0,
        )
        async with server, asyncio.timeout(DEADLINE_SECONDS):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                await conversation(reader, writer)
            finally:
                writer.close()

    asyncio.run(scenario())


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return head.split(b"\r\n")[0], await reader.readexactly(length)


@pytest.mark.parametrize(
    "head",
    [
        GET % (b"a" * MAX_HEAD_BYTES),
        GET % b"" + b"x: " + b"a" * MAX_HEAD_BYTES,
        GET % b"" + b"x: a\r\n" * (MAX_HEAD_BYTES // 6) + b"\r\n",
        b"\r\n" * (MAX_HEAD_BYTES // 2 + 1),
    ],
    ids=["address", "one header", "many headers", "empty lines"],
)
@pytest.mark.parametrize("before", [0, 1])
def test_a_head_that_is_too_large_is_431_and_the_end_of_the_connection(head: bytes, before: int) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(before):
            writer.write(GET % b"" + b"\r\n")
            assert (await answer(reader))[1] == b"0"
        writer.write(head)
        status, body = await answer(reader)
        assert status.startswith(b"HTTP/1.1 431 ")
        assert body == b'{"error":"head: expected at most 65536 bytes, found more"}'
        assert await reader.read() == b""

    talk(LONG, conversation)


@pytest.mark.parametrize("head", [b"", GET % b"", b"GE"], ids=["nothing", "half", "a few letters"])
def test_a_head_that_does_not_arrive_is_the_end_of_the_connection(head: bytes) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        assert await reader.read() == b""

    talk(SHORT, conversation)


def test_the_head_of_a_second_request_has_a_time_too() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET % b"" + b"\r\n")
        await answer(reader)
        writer.write(b"GET")
        assert await reader.read() == b""

    talk(SHORT, conversation)


def test_large_and_late_bodies_and_idle_connections_are_left_alone() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(b"POST / HTTP/1.1\r\nhost: model\r\ncontent-length: 300000\r\n\r\n" + b"a" * 200_000)
            await writer.drain()
            await asyncio.sleep(2 * SHORT)
            writer.write(b"a" * 100_000)
            assert await answer(reader) == (b"HTTP/1.1 200 OK", b"300000")
            await asyncio.sleep(2 * SHORT)

    talk(SHORT, conversation)


def test_headers_behind_a_body_in_chunks_are_not_kept() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"POST /headers HTTP/1.1\r\nhost: model\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"1\r\na\r\n0\r\n" + b"x: a\r\n" * 1000 + b"\r\n")
        assert (await answer(reader))[1] == b"2"

    talk(LONG, conversation)


def test_a_body_that_goes_on_after_its_answer_is_the_end_of_the_connection() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"POST /early HTTP/1.1\r\nhost: model\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + b"1\r\na\r\n")
        assert (await answer(reader))[0].startswith(b"HTTP/1.1 413 ")
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"1\r\na\r\n")
                await writer.drain()
                await asyncio.sleep(SHORT / 15)

    talk(SHORT, conversation)


def test_a_body_that_ends_after_its_answer_leaves_the_connection_open() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /early HTTP/1.1\r\nhost: model\r\ncontent-length: 2\r\n\r\na")
        assert (await answer(reader))[0].startswith(b"HTTP/1.1 413 ")
        writer.write(b"a" + GET % b"" + b"\r\n")
        assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"

    talk(LONG, conversation)


def test_an_answer_under_way_is_not_cut_off_by_the_half_of_a_head_behind_it() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET % b"slow" + b"\r\n")
        await writer.drain()
        await asyncio.sleep(SHORT)
        writer.write(b"GET")
        assert (await answer(reader))[0] == b"HTTP/1.1 200 OK"
        assert await reader.read() == b""

    talk(SHORT, conversation)


def test_the_application_can_close_a_connection_at_once() -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GET % b"abort" + b"\r\n")
        assert await reader.read() == b""

    talk(LONG, conversation)
