"""The posts that a label got most wrong, a bounded number of them."""

import heapq

import msgspec

from pipeline.hostile_text import one_line

#: Characters of a post that are kept of it.
TEXT_LENGTH = 200


class WrongPost(msgspec.Struct, frozen=True, kw_only=True):
    """A post that passed a label and is not about it, or the other way round.

    ``kind`` is ``missed`` or ``false alarm``; ``why`` of a missed one is ``below threshold``, ``vetoed`` (a competing
    label scored higher) or ``not asked`` (its rules are not among the label's ``only_rules``). ``text`` is one line,
    cut, and harmless on a terminal. ``line`` counts from 1.
    """

    line: int
    id: str
    kind: str
    why: str
    score: float | None
    about: list[str]
    passed: list[str]
    text: str


class WrongPosts:
    """Keeps those that are furthest from their threshold; of equals those that come first in the file."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int, WrongPost]] = []

    def would_keep(self, distance: float, line: int) -> bool:
        """Whether a post at this distance is among the worst so far."""
        if not self._most:
            return False
        return len(self._heap) < self._most or (distance, -line) > self._heap[0][:2]

    def add(self, distance: float, post: WrongPost) -> None:
        """Takes it in, for the least wrong if there are enough."""
        entry = (distance, -post.line, post)
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, entry)
        elif self._most:
            heapq.heappushpop(self._heap, entry)

    def worst_first(self) -> list[WrongPost]:
        """All that are kept."""
        return [post for _, _, post in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))]


def shown(text: str) -> str:
    """As texts of posts are kept: cut, on one line, harmless."""
    return one_line(text, TEXT_LENGTH)
