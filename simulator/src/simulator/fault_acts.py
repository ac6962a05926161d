"""What each fault does on an open stream."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from simulator import problems
from simulator.fault_queue import FaultQueue
from simulator.faults import KINDS, Fault
from simulator.ledger import Ledger
from simulator.payload import Payload, Post

SLOW_SECONDS = 0.002
MALFORMED_LINE = b'{"data":{"id":"17900000000000'
UNKNOWN_MESSAGE = {"system_notice": {"code": 1, "detail": "A kind of message that nobody has heard of."}}
ESSENTIAL_FIELDS = frozenset({"id", "text"})


class Outcome(NamedTuple):
    """Of the posts given: how many went out whole, and how many, from the first, are never to be sent again."""

    whole: int
    taken: int


class Stream(Protocol):
    """What faults need of a stream, whose lock is held meanwhile."""

    number: int

    @property
    def talks(self) -> bool:
        """Open, and not fallen silent."""

    def write_posts(self, posts: Sequence[Post]) -> int:
        """Writes them, as they are, and tells the ledger; how many went out whole."""

    def write_slowly(self, post: Post, seconds: float) -> int:
        """The same for one post, byte by byte, so many seconds apart."""

    def write_half(self, post: Post) -> None:
        """The first half of a post's line."""

    def write_line(self, line: bytes) -> None:
        """A line that is no post."""

    def write_json(self, value: Payload) -> None:
        """A line of JSON as it is."""

    def fall_silent(self, seconds: float | None) -> None:
        """From now on not a byte, keep-alives among them, for so many seconds or for ever."""

    def break_off(self, reason: str, *, how: str) -> None:
        """Ends: `how` is "cut" (no end of the body), "reset" (by TCP) or "end" (as HTTP wants it)."""


class FaultActs:
    """Posts on their way to one stream, and the faults that they meet there."""

    def __init__(self, stream: Stream, queue: FaultQueue, ledger: Ledger) -> None:
        self._stream = stream
        self._queue = queue
        self._ledger = ledger
        self._fault = Fault(what="")
        self._posts_left = 0
        self._held: list[Post] = []

    def deliver(self, posts: Sequence[Post]) -> Outcome:
        """Writes the posts; without any, only the faults act that are due. The stream may have ended afterwards."""
        whole = taken = 0
        while self._stream.talks:
            if self._posts_left and taken == len(posts):
                break
            if self._posts_left:
                self._posts_left -= 1
                whole += self._fault_on(posts[taken])
                taken += 1
                continue
            count, fault = self._queue.on_stream(self._stream.number, len(posts) - taken)
            if count:
                whole += self._stream.write_posts(posts[taken : taken + count])
                taken += count
            if fault is None:
                break
            self._begin(fault)
        return Outcome(whole, taken)

    def ended(self) -> None:
        """The stream has ended: what was held back is lost."""
        if self._held:
            self._ledger.cut(self._held, self._stream.number)
            self._held = []
        self._queue.ended(self._stream.number)

    def _begin(self, fault: Fault) -> None:
        if KINDS[fault.what].needs_post:
            self._fault = fault
            self._posts_left = fault.times
            return
        for _ in range(fault.times):
            self._ledger.fault(fault.what, self._stream.number)
            self._act(fault)

    def _act(self, fault: Fault) -> None:
        match fault.what:
            case "stall":
                self._stream.fall_silent(fault.seconds)
            case "reset" | "end":
                self._stream.break_off(f"fault: {fault.what}", how=fault.what)
            case "operational-disconnect":
                self._stream.write_json(problems.operational_disconnect())
                self._stream.break_off(f"fault: {fault.what}", how="end")
            case "unknown-message":
                self._stream.write_json(UNKNOWN_MESSAGE)
            case "malformed":
                self._stream.write_line(MALFORMED_LINE)
            case "overlong":
                self._stream.write_line(b'{"padding":"' + b"x" * (fault.bytes - 14) + b'"}')

    def _fault_on(self, post: Post) -> int:
        """How many posts went out whole by it, repeats not counted."""
        stream, fault = self._stream, self._fault
        self._ledger.fault(fault.what, stream.number)
        match fault.what:
            case "cut" | "half-line":
                stream.write_half(post)
                self._ledger.cut([post], stream.number)
                if fault.what == "cut":
                    stream.break_off("fault: cut", how="cut")
                else:
                    stream.fall_silent(None)
                return 0
            case "slow":
                return stream.write_slowly(post, SLOW_SECONDS if fault.seconds is None else fault.seconds)
            case "duplicates":
                return min(1, stream.write_posts([post, Post(post.payload, repeat=True)]))
            case "disorder":
                self._held.append(post)
                if self._posts_left:
                    return 1
                held, self._held = self._held, []
                return min(1, stream.write_posts(held[::-1]))
            case "partial-errors":
                return stream.write_posts(
                    [Post({**post.payload, "errors": [problems.not_found_beside()]}, post.repeat)]
                )
            case _:
                return self._without_fields(post, frozenset(fault.fields))

    def _without_fields(self, post: Post, fields: frozenset[str]) -> int:
        data = {name: value for name, value in post.payload["data"].items() if name not in fields}
        if fields & ESSENTIAL_FIELDS:
            self._stream.write_json({**post.payload, "data": data})
            self._ledger.spoiled(post, self._stream.number)
            return 0
        return self._stream.write_posts([Post({**post.payload, "data": data}, post.repeat)])
