"""The open streams: how many there may be, and one post to all of them."""

import threading
from collections.abc import Callable, Sequence

from simulator.backfill import Backfill
from simulator.connection_history import ConnectionHistory
from simulator.fault_acts import Outcome
from simulator.ledger import Ledger
from simulator.payload import Post
from simulator.stream_connection import StreamConnection
from simulator.usage import ProjectUsage

STOP_PATIENCE_SECONDS = 0.2
GHOST_ADDRESS = "192.0.2.1"
_LOOK_AGAIN_SECONDS = 0.05


class Connections:
    """At most `limit` places.

    A place is taken before the response starts and given back when the client is gone. A ghost is a connection that
    ended long ago and still has a place: only `end_all` takes it away.
    """

    def __init__(
        self, limit: int, ledger: Ledger, usage: ProjectUsage, backfill: Backfill, history: ConnectionHistory
    ) -> None:
        self._limit = limit
        self._ledger = ledger
        self._usage = usage
        self._backfill = backfill
        self._history = history
        self._changed = threading.Condition()
        self._places: dict[int, StreamConnection] = {}
        self._active: set[int] = set()
        self._ids: dict[int, str] = {}
        self._ghosts: list[str] = []
        self._last_number = 0
        self._stopped = False

    def __len__(self) -> int:
        return len(self._open())

    def reserve(self, client_ip: str, connect: Callable[[int], StreamConnection]) -> StreamConnection | None:
        """A place for the connection that `connect` makes of its number (from 1 up); None when all are taken."""
        with self._changed:
            taken = list(self._places.values())
        for connection in taken:
            connection.close_if_client_gone()
        with self._changed:
            in_use = len(self._ghosts) + sum(not one.closed for one in self._places.values())
            if self._stopped or in_use >= self._limit:
                return None
            self._last_number += 1
            self._ledger.connected(self._last_number)
            self._ids[self._last_number] = self._history.opened(client_ip)
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
            self._history.closed(self._ids.pop(connection.number), "client_disconnect")
            del self._places[connection.number]
            self._active.discard(connection.number)
            self._changed.notify_all()

    def wait_for_open(self) -> bool:
        """Wait until a connection takes posts; False when `stop` came first."""
        with self._changed:
            # a silence ends by itself and tells nobody
            while not self._changed.wait_for(lambda: self._stopped or bool(self._talking()), _LOOK_AGAIN_SECONDS):
                continue
            return not self._stopped

    def broadcast(self, posts: Sequence[Post]) -> Outcome | None:
        """Write the posts to every connection that takes them; None when there is none, and nothing was tried.

        Returns the most that went out whole, and the most that are done with, on any of the connections.
        """
        with self._changed:
            connections = self._talking()
            if connections:
                # In one step with the choice: who connects later finds here what is on its way to the others.
                self._backfill.keep(posts)
        outcomes = [outcome for one in connections if (outcome := one.send(posts)) is not None]
        if not outcomes:
            return None
        best = Outcome(max(one.whole for one in outcomes), max(one.taken for one in outcomes))
        self._usage.count(post for post in posts[: best.whole] if not post.repeat)
        return best

    def let_faults_act(self) -> None:
        """Let those faults act on the open connections that need not wait for a post."""
        for connection in self._open():
            connection.send(())

    def add_ghost(self) -> None:
        """From now on one more place is taken, by nobody."""
        with self._changed:
            self._ghosts.append(self._history.opened(GHOST_ADDRESS))

    def end_all(self, patience: float) -> list[str]:
        """End the open streams and the ghosts; their ids. X API v2, "Terminate all connections"."""
        with self._changed:
            open_now = self._open()
            ids = [self._ids[one.number] for one in open_now] + self._ghosts
            self._ghosts = []
        for connection_id in ids:
            self._history.closed(connection_id, "operator_disconnect")
        for connection in open_now:
            connection.end(patience, "terminated by DELETE /2/connections/all")
        return ids

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

    def _talking(self) -> list[StreamConnection]:
        return [connection for connection in self._open() if connection.talks]
