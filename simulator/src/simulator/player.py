"""The thread that plays posts into the open connections."""

import threading
from collections.abc import Iterator
from typing import Literal

from simulator.clock import Clock, x_timestamp
from simulator.connections import Connections
from simulator.ledger import Ledger
from simulator.pacing import Pace, Schedule
from simulator.payload import Post, with_created_at

State = Literal["waiting", "playing", "finished"]
BATCH_POSTS = 64


class Player:
    """Plays each post once, when it is due and a connection is open; with none open it waits.

    A post whose write fails is not tried again: X does not either.
    """

    def __init__(
        self,
        posts: Iterator[Post],
        pace: Pace,
        connections: Connections,
        ledger: Ledger,
        clock: Clock,
        *,
        restamp: bool,
        close_at_end: bool,
        close_patience: float,
    ) -> None:
        self._posts = posts
        self._pace = pace
        self._connections = connections
        self._ledger = ledger
        self._clock = clock
        self._restamp = restamp
        self._close_at_end = close_at_end
        self._close_patience = close_patience
        self._stamp = ""
        self._played = 0
        self._finished = False
        self._stop = threading.Event()

    @property
    def state(self) -> State:
        """Waiting for a connection, playing, or past the last post."""
        if self._finished:
            return "finished"
        return "playing" if len(self._connections) else "waiting"

    def stop(self) -> None:
        """End `run` at the next post; a write under way is ended by stopping the connections."""
        self._stop.set()

    def run(self) -> None:
        """Play until the last post or `stop`."""
        if not self._connections.wait_for_open():
            return
        schedule = Schedule(self._pace, self._clock.monotonic())
        batch: list[Post] = []
        for post in self._posts:
            due = schedule.due(post)
            if len(batch) >= BATCH_POSTS or (batch and due > self._clock.monotonic()):
                self._send(batch, schedule)
                batch = []
            if self._stop.wait(max(0.0, due - self._clock.monotonic())):
                return
            batch.append(post)
        if not batch or self._send(batch, schedule):
            self._ledger.finished(self._played)
            self._finished = True
            if self._close_at_end:
                self._connections.end_open(self._close_patience)

    def _send(self, posts: list[Post], schedule: Schedule) -> bool:
        """Wait for a connection and write to it; False when `stop` came first.

        What a fault has left of the posts is for the next connection.
        """
        while posts and not self._stop.is_set():
            outcome = self._connections.broadcast(self._stamped(posts))
            if outcome is not None:
                self._played += sum(not post.repeat for post in posts[: outcome.taken])
                posts = posts[outcome.taken :]
            elif self._connections.wait_for_open():
                schedule.resume(self._clock.monotonic())
        return not posts

    def _stamped(self, posts: list[Post]) -> list[Post]:
        """The posts as they go out; a repeat keeps the moment of its first sending, as its text and id."""
        if not self._restamp:
            return posts
        now = x_timestamp(self._clock.now())
        stamped = []
        for post in posts:
            if not post.repeat:
                self._stamp = now
            stamped.append(Post(with_created_at(post.payload, self._stamp), post.repeat))
        return stamped
