"""What uvicorn leaves without a bound: the head of a request, its size and its time.

It goes by uvicorn's class for httptools, whose parts are not promised; the tests run over real connections.
"""

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from zero_shot_model.app import ABORT_EXTENSION

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers. SageMaker's own are some hundred bytes, and 1,024 of CustomAttributes."""


def protocol_class(head_seconds: float) -> type[asyncio.Protocol]:
    """A connection's protocol for uvicorn. `head_seconds`: the longest time that a request's head may take.

    The time of the first head begins with the connection, that of each later one with its first bytes: a connection
    that rests between requests is uvicorn's matter (`timeout_keep_alive`). A body that is answered before its end has
    as much time to end.
    """

    class Protocol(_BoundedHeads):
        HEAD_SECONDS = head_seconds

    return Protocol


class _BoundedHeads(HttpToolsProtocol):
    HEAD_SECONDS: float

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True
        self._head_bytes = 0
        self._timeout: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_timeout()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The parser keeps a header until it has all of it, so that its callbacks come too late to count it.
        while data and self._in_head:
            room = MAX_HEAD_BYTES - self._head_bytes
            if room == 0:
                self._refuse_head()
                return
            part, data = data[:room], data[room:]
            self._head_bytes += len(part)
            super().data_received(part)
            if self.transport.is_closing():
                return
        if data:
            super().data_received(data)
        elif self._in_head and self._head_bytes:
            self._begin_timeout()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT_EXTENSION: self.transport.abort}  # type: ignore[dict-item]

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # those behind a body in chunks have no bound, and nobody reads them
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._end_timeout()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._end_timeout()
        self._in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self._begin_timeout()

    def _begin_timeout(self) -> None:
        if self._timeout is None:
            self._timeout = self.loop.call_later(self.HEAD_SECONDS, self.shutdown)

    def _end_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _refuse_head(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            body = msgspec.json.encode({"error": f"head: expected at most {MAX_HEAD_BYTES} bytes, found more"})
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[431] + head + body)
        self.shutdown()  # after the answer that is under way, if there is one
