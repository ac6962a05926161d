"""A source of posts that are known from the start."""

from collections.abc import Iterator
from functools import partial

from pipeline.contracts import Post
from stream_getter.source import Arrival


class ListSource:
    """Gives these posts and ends; ``settled`` are the ids of those that the source may forget, in that order."""

    silence_seconds = 0.0

    def __init__(self, *posts: Post) -> None:
        self._posts = posts
        self.settled: list[str] = []

    def arrivals(self) -> Iterator[Arrival]:
        for post in self._posts:
            yield Arrival(post, partial(self.settled.append, post.id))

    def stop(self) -> None:
        pass

    def trouble(self) -> str | None:
        return None

    def close(self, seconds: float) -> None:
        pass
