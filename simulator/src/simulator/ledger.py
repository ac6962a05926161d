"""The record of what was written to which connection, kept apart from everything that is tested with it."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator.clock import Clock
from simulator.payload import Post
from simulator.settings import Mistake


class Ledger:
    """JSON lines, each one in the file as soon as the call returns. Without a path it only counts.

    Moments (`at`) are UNIX seconds. Raises Mistake when the file cannot be written; an old one is replaced.
    """

    def __init__(self, path: Path | None, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._encode = msgspec.json.Encoder().encode
        self._sent = 0
        try:
            # Unbuffered: a line that only waits in this process would be missing after a kill.
            self._file = path.open("wb", buffering=0) if path is not None else None
        except OSError as error:
            raise Mistake(f"--ledger {path}: expected a writable file, found: {error.strerror}") from error

    @property
    def sent_count(self) -> int:
        """Posts written whole so far, repeats included, each connection counted."""
        return self._sent

    def connected(self, connection: int) -> None:
        """A stream was opened."""
        self._write([{"event": "connected", "at": self._clock.now(), "connection": connection}])

    def disconnected(self, connection: int, reason: str) -> None:
        """A stream ended, by whichever side; the reason is one line for people."""
        self._write([{"event": "disconnected", "at": self._clock.now(), "connection": connection, "reason": reason}])

    def sent(self, posts: Sequence[Post], connection: int) -> None:
        """These posts were taken whole by the socket just now."""
        self._write(self._lines("sent", posts, connection))
        with self._lock:
            self._sent += len(posts)

    def cut(self, posts: Sequence[Post], connection: int) -> None:
        """The write failed before the end of the first of these posts; none of them went out whole."""
        self._write(self._lines("cut", posts, connection))

    def spoiled(self, post: Post, connection: int) -> None:
        """A post went out without something that makes it a post, on purpose."""
        self._write(self._lines("spoiled", [post], connection))

    def fault(self, what: str, connection: int | None) -> None:
        """A fault acted, on a stream, or on a connection attempt that became none."""
        self._write([{"event": "fault", "at": self._clock.now(), "what": what, "connection": connection}])

    def finished(self, posts: int) -> None:
        """The files were played to their end: `posts` of them, repeats not counted."""
        self._write([{"event": "finished", "at": self._clock.now(), "posts": posts}])

    def close(self) -> None:
        """Close the file; what comes later is dropped."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _lines(self, event: str, posts: Sequence[Post], connection: int) -> list[dict[str, Any]]:
        at = self._clock.now()
        return [
            {"event": event, "id": post.id, "at": at, "connection": connection, "repeat": post.repeat} for post in posts
        ]

    def _write(self, lines: list[dict[str, Any]]) -> None:
        if self._file is None:
            return
        with self._lock:
            if self._file is not None:
                _write_all(self._file.fileno(), b"".join(self._encode(line) + b"\n" for line in lines))


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
