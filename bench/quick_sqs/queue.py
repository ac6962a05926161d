"""One queue: what is visible, what is hidden until when, and the polls that wait for a message."""

import asyncio
import hashlib
import itertools
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence

import msgspec


class Message:
    """One message. Its receipt is good for its newest delivery alone."""

    __slots__ = ("attributes", "body", "id", "md5", "receipt", "receive_count", "sent_at_ms", "shown_again")

    def __init__(self, body: str, attributes: msgspec.Raw | msgspec.UnsetType) -> None:
        self.id = str(uuid.uuid4())
        self.body = body
        self.md5 = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        self.attributes = attributes
        self.sent_at_ms = int(time.time() * 1000)
        self.receive_count = 0
        self.receipt = ""
        self.shown_again: asyncio.TimerHandle | None = None


class Poll:
    """A receive that may wait. ``is_wanted`` says whether its client is still there.

    ``answer`` gets its messages, once, or None where the queue was deleted meanwhile.
    """

    __slots__ = ("answer", "is_wanted", "limit", "over", "visibility")

    def __init__(
        self,
        limit: int,
        visibility: float,
        answer: Callable[[Sequence[Message] | None], None],
        is_wanted: Callable[[], bool],
    ) -> None:
        self.limit = limit
        self.visibility = visibility
        self.answer = answer
        self.is_wanted = is_wanted
        self.over: asyncio.TimerHandle | None = None


#: How the name of a queue ends that accepts everything and keeps nothing.
SINK = "-sink"


class Queue:
    """Messages in the order in which they became visible. All of it runs in the thread of ``loop``."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self._keeps = not name.endswith(SINK)
        self._loop = loop
        self._visible: deque[Message] = deque()
        self._hidden: dict[str, Message] = {}
        self._polls: deque[Poll] = deque()
        self._deliveries = itertools.count()

    @property
    def counts(self) -> tuple[int, int]:
        """How many messages are visible, and how many hidden."""
        return len(self._visible), len(self._hidden)

    def add(self, messages: Sequence[Message]) -> None:
        """New messages; polls that wait get them."""
        if self._keeps:
            self._visible.extend(messages)
            self._serve()

    def poll(self, poll: Poll, wait_seconds: float) -> None:
        """Answers at once where any message is visible, and with none after ``wait_seconds``."""
        if not self._visible and not wait_seconds:
            poll.answer(())
            return
        self._polls.append(poll)
        poll.over = self._loop.call_later(wait_seconds, self._give_up, poll)
        self._serve()

    def delete(self, receipt: str) -> None:
        """Deletes the message of this delivery; nothing where that is gone, as on SQS."""
        if message := self._hidden.pop(receipt, None):
            _cancel(message.shown_again)

    def hide(self, receipt: str, seconds: float) -> bool:
        """Hides the message of this delivery for so long from now; False where the receipt is worth nothing."""
        message = self._hidden.get(receipt)
        if message is None:
            return False
        _cancel(message.shown_again)
        if seconds:
            message.shown_again = self._loop.call_later(seconds, self._show, message)
        else:
            self._show(message)
        return True

    def close(self) -> None:
        """The queue is deleted, with its messages; the polls that wait are answered."""
        for message in self._hidden.values():
            _cancel(message.shown_again)
        while self._polls:
            poll = self._polls.popleft()
            _cancel(poll.over)
            poll.answer(None)

    def _serve(self) -> None:
        while self._polls and self._visible:
            poll = self._polls.popleft()
            _cancel(poll.over)
            if poll.is_wanted():
                poll.answer([self._deliver(poll) for _ in range(min(poll.limit, len(self._visible)))])

    def _deliver(self, poll: Poll) -> Message:
        message = self._visible.popleft()
        message.receive_count += 1
        message.receipt = f"{message.id}-{next(self._deliveries)}"
        message.shown_again = self._loop.call_later(poll.visibility, self._show, message)
        self._hidden[message.receipt] = message
        return message

    def _show(self, message: Message) -> None:
        del self._hidden[message.receipt]
        self.add([message])

    def _give_up(self, poll: Poll) -> None:
        self._polls.remove(poll)
        poll.answer(())


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()
