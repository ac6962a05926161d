"""The socket that the endpoint listens on."""

import asyncio
import socket

import pytest

from zero_shot_model.errors import StartError
from zero_shot_model.server import listening_socket


def test_small_answers_are_sent_at_once() -> None:
    """asyncio sets TCP_NODELAY only on sockets whose protocol is named."""

    async def no_delay_of_an_accepted_connection() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def on_connection(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted_socket = writer.get_extra_info("socket")
            accepted.set_result(accepted_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listening_socket("127.0.0.1", 0)
        async with await asyncio.start_server(on_connection, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            result = await asyncio.wait_for(accepted, timeout=20)
            writer.close()
            await writer.wait_closed()
        return result

    assert asyncio.run(no_delay_of_an_accepted_connection()) == 1


def test_a_port_in_use_is_named() -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"127.0.0.1:{port}: Address already in use"):
            listening_socket("127.0.0.1", port)


def test_an_address_that_is_not_ours_is_named() -> None:
    with pytest.raises(StartError, match=r"HOST, PORT: .* 192\.0\.2\.1:0: "):
        listening_socket("192.0.2.1", 0)
