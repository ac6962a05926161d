"""The open streams: how many there may be, and one post to all of them."""

import threading
from collections.abc import Callable, Sequence

from simulator.backfill import Backfill
from simulator.ledger import Ledger
from simulator.payload import Post
from simulator.stream_connection import StreamConnection
from simulator.usage import ProjectUsage

STOP_PATIENCE_SECONDS = 0.2


class Connections:
    """At most `limit` places.

    A place is taken before the response starts and given back when the client is gone.
    """

    def __init__(self, limit: int, ledger: Ledger, usage: ProjectUsage, backfill: Backfill) -> None:
        self._limit = limit
        self._ledger = ledger
        self._usage = usage
        self._backfill = backfill
        self._changed = threading.Condition()
        self._places: dict[int, StreamConnection] = {}
        self._active: set[int] = set()
        self._last_number = 0
        self._stopped = False

    def __len__(self) -> int:
        return len(self._open())

    def reserve(self, connect: Callable[[int], StreamConnection]) -> StreamConnection | None:
        """A place for the connection that `connect` makes of its number (from 1 up); None when all are taken."""
        with self._changed:
            taken = list(self._places.values())
        for connection in taken:
            connection.close_if_client_gone()
        with self._changed:
            if self._stopped or sum(not one.closed for one in self._places.values()) >= self._limit:
                return None
            self._last_number += 1
            self._ledger.connected(self._last_number)
            connection = self._places[self._last_number] = connect(self._last_number)
            return connection

    def activate(self, connection: StreamConnection) -> None:
        """From now on the connection gets every post."""
        with self._changed:
            self._active.add(connection.number)
            self._changed.notify_all()

    def end_if_stopped(self, connection: StreamConnection) -> None:
        """End a connection that became active only after `stop` had ended the others."""
        if self._stopped:
            connection.end(STOP_PATIENCE_SECONDS)

    def release(self, connection: StreamConnection) -> None:
        """Close the connection, if that has not happened yet, and give its place back."""
        connection.close("client gone")
        with self._changed:
            del self._places[connection.number]
            self._active.discard(connection.number)
            self._changed.notify_all()

    def wait_for_open(self) -> bool:
        """Wait until a connection is open; False when `stop` came first."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or bool(self._open()))
            return not self._stopped

    def broadcast(self, posts: Sequence[Post]) -> int | None:
        """Write the posts to every open connection; None when there is none, and nothing was tried.

        Returns how many of them, from the first, went out whole on at least one connection.
        """
        taken = [connection.send(posts) for connection in self._open()]
        delivered = max((count for count in taken if count is not None), default=None)
        if delivered is None:
            return None
        self._backfill.keep(posts)
        self._usage.count(post for post in posts[:delivered] if not post.repeat)
        return delivered

    def end_open(self, patience: float) -> None:
        """End the streams that are open now; new ones may come. See StreamConnection.end for `patience`."""
        for connection in self._open():
            connection.end(patience)

    def stop(self) -> None:
        """End every stream, let nobody wait, take no new connection."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self.end_open(STOP_PATIENCE_SECONDS)

    def _open(self) -> list[StreamConnection]:
        with self._changed:
            return [self._places[number] for number in sorted(self._active) if not self._places[number].closed]
