"""A Jetstream server (version 1) on this machine: it keeps its messages, honours a cursor, and misbehaves on demand.

Messages are sent to a connection from its cursor on, that message included, or without one from those published after
it came. Commits of collections that it did not ask for are left out; accounts and identities never are. A cursor before
the oldest message that is kept begins there, in silence. What goes wrong on which connection stands in ``faults``.
"""

import json
import logging
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from tests.support.jetstream_messages import Message

#: What a server does on a connection in place of going on.
Act = Callable[[ServerConnection], object]


@dataclass(frozen=True)
class Fault:
    """On one connection: after so many messages. Once ``act`` has returned, messages go on if ``goes_on``."""

    after: int
    act: Act
    goes_on: bool = False


@dataclass(frozen=True)
class Refusal:
    """In place of one connection: an HTTP answer."""

    status: HTTPStatus
    body: str = "try later\n"
    location: str = ""


def disconnect(connection: ServerConnection) -> None:
    """The TCP connection ends, without a word."""
    connection.close_socket()


def close(code: int = 1008, reason: str = "consumer too slow") -> Act:
    """A closing handshake."""
    return lambda connection: connection.close(code, reason)


def send(*frames: str | bytes) -> Act:
    """Sends these, whatever they are."""

    def act(connection: ServerConnection) -> None:
        for frame in frames:
            connection.send(frame)

    return act


def stall(connection: ServerConnection) -> None:
    """Nothing comes any more, though the connection stands."""
    connection.wait_closed(30)


@dataclass
class JetstreamServer:
    """``with JetstreamServer(messages) as server:`` listens at ``server.url``.

    ``faults`` are those of the first connections, in their order; None is none. Later connections have none.
    ``queries`` has what each connection asked for, refused ones too.
    """

    messages: list[Message] = field(default_factory=list)
    faults: list[Fault | Refusal | None] = field(default_factory=list)
    honours_size_limit: bool = True
    tls: ssl.SSLContext | None = None
    queries: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._changed = threading.Condition()
        self._stopped = False
        self._fault_of: dict[int, Fault] = {}
        self._server: Server = serve(
            self._serve,
            "127.0.0.1",
            0,
            ssl=self.tls,
            process_request=self._requested,
            compression=None,
            ping_interval=None,
            close_timeout=0.2,
            logger=logging.getLogger("jetstream"),
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="jetstream")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "wss" if self.tls else "ws"
        return f"{scheme}://127.0.0.1:{self._server.socket.getsockname()[1]}/subscribe"

    @property
    def cursors(self) -> list[int | None]:
        """The cursor that each connection began with."""
        return [int(query["cursor"]) if "cursor" in query else None for query in self.queries]

    def publish(self, *messages: Message) -> None:
        """To all connections, and for those to come."""
        with self._changed:
            self.messages.extend(messages)
            self._changed.notify_all()

    def _requested(self, connection: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        if parts.path != "/subscribe":
            return connection.respond(HTTPStatus.NOT_FOUND, "not found\n")
        with self._changed:
            self.queries.append({name: values[0] for name, values in parse_qs(parts.query).items()})
            fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Refusal):
            response = connection.respond(fault.status, fault.body)
            if fault.location:
                response.headers["Location"] = fault.location
            return response
        if fault:
            self._fault_of[id(connection)] = fault
        return None

    def _serve(self, connection: ServerConnection) -> None:
        fault = self._fault_of.pop(id(connection), None)
        try:
            if fault and not fault.after:
                fault.act(connection)
                if not fault.goes_on:
                    return
                fault = None
            self._send_all(connection, fault)
        except ConnectionClosed:
            pass  # what clients do

    def _send_all(self, connection: ServerConnection, fault: Fault | None) -> None:
        assert connection.request is not None
        query = {name: values[0] for name, values in parse_qs(urlsplit(connection.request.path).query).items()}
        cursor = int(query["cursor"]) if "cursor" in query else None
        sent = 0
        for message in self._from(cursor, connection):
            body = json.dumps(message, ensure_ascii=False)
            if not _is_wanted(message, query) or self._is_too_long(body, query):
                continue
            connection.send(body)
            sent += 1
            if fault and sent == fault.after:
                fault.act(connection)
                if not fault.goes_on:
                    return

    def _from(self, cursor: int | None, connection: ServerConnection) -> Iterable[Message]:
        with self._changed:
            at = len(self.messages)
            if cursor is not None:
                at = next((n for n, message in enumerate(self.messages) if message["time_us"] >= cursor), at)
        while True:
            with self._changed:
                while at == len(self.messages):
                    # the client may be gone, which nothing else would tell
                    if self._stopped or not connection.recv_events_thread.is_alive():
                        return
                    self._changed.wait(0.1)
                message = self.messages[at]
            yield message
            at += 1

    def _is_too_long(self, body: str, query: dict[str, str]) -> bool:
        limit = int(query.get("maxMessageSizeBytes", "0"))
        return self.honours_size_limit and 0 < limit < len(body.encode())


def _is_wanted(message: Message, query: dict[str, str]) -> bool:
    if message.get("kind") != "commit" or "wantedCollections" not in query:
        return True
    return bool(message["commit"]["collection"] == query["wantedCollections"])
