"""The contract between a source of posts and the loop that forwards them."""

from collections.abc import Iterator
from typing import Protocol

from pipeline.contracts import Post


class Source(Protocol):
    """One way to get posts. Adding one is a module of its own."""

    def posts(self) -> Iterator[Post]:
        """Posts as they arrive, until ``stop``. Keeps its connection by itself: trouble is waited out, never raised."""

    def stop(self) -> None:
        """Ends ``posts`` soon, from any thread; what was read already is still yielded."""

    def trouble(self) -> str | None:
        """Why no posts can come at the moment, in one line; None while connected."""
