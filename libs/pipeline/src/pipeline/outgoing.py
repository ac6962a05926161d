"""Messages on their way out, as bookkeeping alone: what waits, what goes next, what is tried again and when.

No thread, lock, client or clock is known here: the writer calls everything under its own lock and hands in the time.
A message is in line, set aside until its own next try, or under way in a request.
"""

import copy
import heapq
import itertools
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.acceptance import Acceptance
from pipeline.backoff import Backoff
from pipeline.errors import Unsendable
from pipeline.sqs_rules import BATCH_BYTES, BATCH_ENTRIES, message_size


@dataclass(eq=False, slots=True)
class Outgoing:
    """A message that the queue has not accepted yet.

    ``size`` is in bytes as SQS counts them, ``since`` the time it joined the line. ``backoff`` is its own, once it has
    failed by itself. One that goes ``alone`` shares no request: it may be what its last one was refused for.
    """

    body: str
    attributes: Mapping[str, str]
    delay_seconds: int
    size: int
    acceptance: Acceptance
    since: float = 0.0
    backoff: Backoff | None = None
    alone: bool = False

    @classmethod
    def of(cls, body: str, attributes: Mapping[str, str], delay_seconds: int) -> Self:
        """A new message. Raises Unsendable for one that can be in no queue: too large, or not expressible in UTF-8."""
        try:
            size = message_size(body, attributes)
        except UnicodeEncodeError as error:
            raise Unsendable(str(error)) from error
        if size > BATCH_BYTES:
            raise Unsendable(f"a message of {size} bytes, and the queue takes at most {BATCH_BYTES}")
        return cls(body, attributes, delay_seconds, size, Acceptance())

    def next_wait(self, like: Backoff) -> float:
        """It has failed by itself: seconds until its next try, by a backoff of its own with the figures of ``like``."""
        if self.backoff is None:
            self.backoff = copy.copy(like)
            self.backoff.reset()
        return self.backoff.next()


class OutgoingBuffer:
    """The line in front of a queue. A batch is due when it is full or its first message has waited long enough.

    ``size`` (bytes) is that of all messages until they are released, under way ones included, and bounded by
    ``max_bytes``: the owner adds nothing for which there is no room. Times are in seconds of the owner's clock.
    """

    def __init__(self, max_bytes: int, linger_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._linger = linger_seconds
        self.size = 0
        self._line: deque[Outgoing] = deque()
        self._line_bytes = 0
        self._hurried = 0  # so many at the front of the line do not linger
        self._aside: list[tuple[float, int, Outgoing]] = []
        self._numbers = itertools.count()
        self._under_way: list[Sequence[Outgoing]] = []

    @property
    def waiting(self) -> bool:
        """Whether any message is in line or set aside."""
        return bool(self._line or self._aside)

    def has_room_for(self, size: int) -> bool:
        """Whether a message of this size may be added; an empty buffer takes one of any size."""
        return not self.size or self.size + size <= self._max_bytes

    def add(self, message: Outgoing, now: float) -> bool:
        """Puts a message at the end of the line.

        Returns whether a sender that waits should look, because there is a batch or a time to keep that was not there
        before. A wake-up for each message would cost more than the message.
        """
        message.since = now
        self.size += message.size
        was_full = self._is_full()
        self._join(message)
        return len(self._line) == 1 or (self._due_at() <= now and not was_full)

    def take(self, now: float) -> list[Outgoing]:
        """The next batch, under way from now on, or nothing as long as none is due."""
        self._rejoin(now)
        if self._due_at() > now:
            return []
        batch: list[Outgoing] = []
        size = 0
        while self._line and len(batch) < BATCH_ENTRIES:
            message = self._line[0]
            if batch and (message.alone or size + message.size > BATCH_BYTES):
                break
            batch.append(self._line.popleft())
            size += message.size
            if message.alone:
                break
        self._line_bytes -= size
        self._hurried = max(0, self._hurried - len(batch))
        self._under_way.append(batch)
        return batch

    def next_due(self) -> float:
        """The time from which ``take`` has a batch if nothing is added; infinite while nothing waits."""
        return min(self._due_at(), self._aside[0][0]) if self._aside else self._due_at()

    def put_back(self, batch: Sequence[Outgoing]) -> None:
        """A request failed as a whole: its messages are the first in line again."""
        self._line.extendleft(reversed(batch))
        self._line_bytes += sum(message.size for message in batch)
        self._hurried += len(batch)

    def set_aside(self, message: Outgoing, until: float) -> None:
        """A message failed by itself: it is in line again at that time, at the end, so that others pass."""
        heapq.heappush(self._aside, (until, next(self._numbers), message))

    def release(self, messages: Iterable[Outgoing]) -> None:
        """They were accepted or refused: their room is free."""
        self.size -= sum(message.size for message in messages)

    def ended(self, batch: Sequence[Outgoing]) -> None:
        """A batch, the very list that was taken, is under way no more, and the owners of its settled messages know."""
        self._under_way = [other for other in self._under_way if other is not batch]

    def hurry(self) -> None:
        """What waits now goes as soon as it can: nothing of it lingers, and what was set aside is in line at once."""
        self._rejoin(math.inf)
        self._hurried = len(self._line)

    def stop_lingering(self) -> None:
        """As ``hurry``, and what joins the line later does not linger either."""
        self._linger = 0.0
        self.hurry()

    def unsettled(self) -> list[Outgoing]:
        """Each message that waits or is in a request under way; of the latter some may be settled already."""
        under_way = itertools.chain.from_iterable(self._under_way)
        return list(dict.fromkeys([*under_way, *self._line, *(message for _, _, message in self._aside)]))

    def give_up(self) -> list[Outgoing]:
        """Takes out everything that waits and releases it; what is under way stays."""
        left = [*self._line, *(message for _, _, message in self._aside)]
        self._line.clear()
        self._aside.clear()
        self._line_bytes = self._hurried = 0
        self.release(left)
        return left

    def _join(self, message: Outgoing) -> None:
        self._line.append(message)
        self._line_bytes += message.size

    def _rejoin(self, now: float) -> None:
        while self._aside and self._aside[0][0] <= now:
            self._join(heapq.heappop(self._aside)[2])
            self._hurried = len(self._line)  # it has waited long enough, and with it those before it

    def _due_at(self) -> float:
        if not self._line:
            return math.inf
        return -math.inf if self._hurried or self._is_full() else self._line[0].since + self._linger

    def _is_full(self) -> bool:
        return len(self._line) >= BATCH_ENTRIES or self._line_bytes >= BATCH_BYTES
