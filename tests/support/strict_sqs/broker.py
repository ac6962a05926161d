"""The core: queues by name, what is done to their messages, and the clock that moves them on. No requests, no faults.

Every method is safe for several threads, and raises SqsError for what SQS refuses. Times are in seconds where SQS's
own parameters are, in milliseconds where the name says so.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tests.support.strict_sqs.clock import Clock, VirtualClock
from tests.support.strict_sqs.errors import SqsError, invalid_value
from tests.support.strict_sqs.ledger import Entry, Ledger, What
from tests.support.strict_sqs.limits import LONGEST_VISIBILITY, SECOND_MS, Limits
from tests.support.strict_sqs.message import Content, Delivery, Message
from tests.support.strict_sqs.move_tasks import MoveTasks
from tests.support.strict_sqs.queue import Queue
from tests.support.strict_sqs.receipts import ExpiredReceipts, invalid_receipt, read_receipt
from tests.support.strict_sqs.registry import Registry


class LongPolls(Enum):
    """What a receive does while there is nothing for it."""

    #: It waits for a message, or for the clock, which another thread sets forward.
    WAIT = "wait"
    #: It sets the virtual clock forward itself, to the next message or to its end: for tests of one thread.
    JUMP = "jump"
    #: It answers at once.
    RETURN = "return"


@dataclass(frozen=True)
class ReceiveShape:
    """How a receive goes, of all the ways that SQS allows.

    ``nothing``: it sees none of the messages (SQS Developer Guide, "short and long polling": a sample of servers is
    asked). ``shuffle`` orders what is visible. ``duplicates``: so many of its messages go to the next receive too.
    """

    nothing: bool = False
    shuffle: Callable[[list[Message]], None] | None = None
    duplicates: int = 0


PLAIN = ReceiveShape()


class Broker:
    """``waiting_polls`` is the number of receives that wait for a message just now."""

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        ledger: Ledger,
        *,
        limits: Limits,
        long_polls: LongPolls,
        expired_receipts: ExpiredReceipts,
        lateness: Callable[[], int],
    ) -> None:
        if long_polls is LongPolls.JUMP and not isinstance(clock, VirtualClock):
            raise ValueError("polls can jump on a virtual clock only")
        self._clock = clock
        self._rng = rng
        self._ledger = ledger
        self._limits = limits
        self._long_polls = long_polls
        self._expired_receipts = expired_receipts
        self._changed = threading.Condition(threading.RLock())
        self._polls_ended = 0
        self._numbers = 0
        self.waiting_polls = 0
        self.registry = Registry(self._changed, clock, limits, lateness, self._drop)
        self.move_tasks = MoveTasks(self._changed, clock, self.registry, self.settle, self._redrive)
        clock.call_when_moved(self._wake)

    def end_polls(self) -> None:
        """Has all polls that wait give nothing, now."""
        with self._changed:
            self._polls_ended += 1
            self._changed.notify_all()

    def send(self, name: str, content: Content, delay: int) -> Message:
        with self._changed:
            queue = self.registry.queue(name)
            now = self._clock.now_ms()
            message = self._new_message(content, now)
            queue.add(message, now + delay * SECOND_MS, now)
            self._ledger.write(Entry(now, What.ACCEPTED, name, message.id, content.body))
            self._notify()
            return message

    def receive(
        self, name: str, limit: int, visibility: int | None, poll: int | None, shape: ReceiveShape = PLAIN
    ) -> list[Delivery]:
        """Up to ``limit`` messages; none after ``poll`` seconds without. None stands for the queue's own settings.

        Past the cap of messages in flight a short poll raises OverLimit, and a long one gives nothing (SQS Developer
        Guide: "Amazon SQS standard queue quotas"). A message whose receives are used up goes to the dead letters.
        """
        with self._changed:
            now = self._clock.now_ms()
            deadline = -1
            ended = self._polls_ended
            while True:
                self.move_tasks.progress(now)
                queue = self.registry.queue(name)
                self.settle(queue, now)
                if deadline < 0:
                    seconds = queue.settings.poll if poll is None else poll
                    deadline = now + seconds * SECOND_MS
                    if not seconds and queue.in_flight >= self._limits.in_flight:
                        raise SqsError("OverLimit", "Too many messages have been received without being deleted.", 403)
                deliveries = [] if shape.nothing else self._deliver(queue, limit, visibility, shape, now)
                over = now >= deadline or shape.nothing or self._long_polls is LongPolls.RETURN
                if deliveries or over or self._polls_ended > ended:
                    return deliveries
                self._wait(queue, deadline)
                now = self._clock.now_ms()

    def delete(self, name: str, handle: str) -> None:
        """Deletes a message. One that is gone already is no error; what an expired receipt is worth was set."""
        with self._changed:
            now = self._clock.now_ms()
            queue = self.registry.queue(name)
            self.settle(queue, now)
            message, is_latest = self._of_receipt(queue, handle)
            if message is None:
                return
            if self._expired_receipts is ExpiredReceipts.REFUSED:
                if not is_latest or now >= message.claimed_until_ms:
                    raise invalid_value("ReceiptHandle", handle, "The receipt handle has expired.")
            elif not is_latest:
                return
            queue.remove(message)
            self._ledger.write(Entry(now, What.DELETED, name, message.id, handle, message.receives))

    def change_visibility(self, name: str, handle: str, seconds: int) -> None:
        """Hides a message for ``seconds`` from now; 12 h after its receive is the most."""
        if not 0 <= seconds <= LONGEST_VISIBILITY:
            raise _invalid_visibility(seconds, f"VisibilityTimeout must be >= 0 and <= {LONGEST_VISIBILITY}.")
        with self._changed:
            now = self._clock.now_ms()
            queue = self.registry.queue(name)
            self.settle(queue, now)
            message, is_latest = self._of_receipt(queue, handle)
            if message is None or not is_latest:
                reason = "Message does not exist or is not available for visibility timeout change."
                raise invalid_value("ReceiptHandle", handle, reason)
            if self._expired_receipts is ExpiredReceipts.REFUSED and now >= message.claimed_until_ms:
                raise SqsError("MessageNotInflight", f"The message of receipt handle {handle} is not in flight.")
            if now + seconds * SECOND_MS - message.received_ms > LONGEST_VISIBILITY * SECOND_MS:
                reason = f"Total VisibilityTimeout for the message is beyond the limit [{LONGEST_VISIBILITY} seconds]"
                raise _invalid_visibility(seconds, reason)
            queue.change_claim(message, seconds * SECOND_MS, now)
            self._ledger.write(Entry(now, What.VISIBILITY_CHANGED, name, message.id, str(seconds), message.receives))
            self._notify()

    def purge(self, name: str) -> None:
        with self._changed:
            now = self._clock.now_ms()
            queue = self.registry.queue(name)
            wait = self._limits.between_purges
            if queue.purged_ms is not None and now < queue.purged_ms + wait * SECOND_MS:
                raise SqsError(
                    "PurgeQueueInProgress", f"Only one PurgeQueue operation on {name} is allowed every {wait} seconds."
                )
            queue.purged_ms = now
            self.settle(queue, now)
            self._drop(queue, What.PURGED)

    def counts(self, name: str) -> tuple[int, int, int]:
        """Messages that are visible, in flight and delayed; exact, where those of SQS are approximate."""
        with self._changed:
            return self._up_to_date(name).counts()

    def contents(self, name: str) -> list[Message]:
        """All messages of a queue, visible or not."""
        with self._changed:
            return list(self._up_to_date(name))

    def visible(self, name: str) -> list[Message]:
        """The messages that a receive could give now."""
        with self._changed:
            return self._up_to_date(name).visible()

    def settle(self, queue: Queue, now_ms: int) -> None:
        """Moves one queue on to the present. For what works on queues, with the lock held."""
        for message in queue.settle(now_ms):
            at = message.sent_ms + queue.settings.retention * SECOND_MS
            self._ledger.write(Entry(at, What.EXPIRED, queue.name, message.id, receives=message.receives))

    def _up_to_date(self, name: str) -> Queue:
        now = self._clock.now_ms()
        self.move_tasks.progress(now)
        queue = self.registry.queue(name)
        self.settle(queue, now)
        return queue

    def _deliver(
        self, queue: Queue, limit: int, visibility: int | None, shape: ReceiveShape, now: int
    ) -> list[Delivery]:
        if shape.shuffle:
            shape.shuffle(order := queue.visible())
            queue.put_in_order(order)
        timeout = (queue.settings.visibility if visibility is None else visibility) * SECOND_MS
        redrive = queue.settings.redrive
        dead_letters = self.registry.by_arn(redrive.dead_letters_arn) if redrive else None
        room = min(limit, self._limits.in_flight - queue.in_flight)
        deliveries: list[Delivery] = []
        while len(deliveries) < room and (message := queue.next_visible()):
            if redrive and dead_letters and message.receives >= redrive.most_receives:
                self._dead_letter(message, queue, dead_letters, now)
                continue
            deliveries.append(delivery := queue.claim(message, timeout, now))
            self._ledger.write(Entry(now, What.DELIVERED, queue.name, message.id, delivery.receipt, delivery.receives))
        for delivery in deliveries[: shape.duplicates]:
            queue.duplicate(delivery.message)
        return deliveries

    def _dead_letter(self, message: Message, queue: Queue, dead_letters: Queue, now: int) -> None:
        queue.remove(message)
        message.source_arn = queue.arn
        dead_letters.add(message, now, now)
        self._ledger.write(Entry(now, What.MOVED, queue.name, message.id, dead_letters.name, message.receives))
        self._notify()

    def _redrive(self, message: Message, source: Queue, target: Queue, at_ms: int) -> None:
        source.remove(message)
        moved = self._new_message(message.content, at_ms)
        target.add(moved, at_ms + target.settings.delay * SECOND_MS, at_ms)
        self._ledger.write(
            Entry(at_ms, What.REDRIVEN, source.name, message.id, target.name, message.receives, moved.id)
        )

    def _of_receipt(self, queue: Queue, handle: str) -> tuple[Message | None, bool]:
        """A receipt's message, if it is in this queue, and whether nobody has received it since."""
        receipt = read_receipt(handle)
        if receipt.queue != queue.serial or receipt.message > self._numbers:
            raise invalid_receipt(handle)
        message = queue.claimed(receipt)
        return message, message is not None and message.receives == receipt.receive

    def _new_message(self, content: Content, now: int) -> Message:
        self._numbers += 1
        digits = f"{self._rng.getrandbits(128):032x}"
        id_ = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
        return Message(id_, self._numbers, content, now)

    def _drop(self, queue: Queue, what: What) -> None:
        now = self._clock.now_ms()
        for message in queue:
            queue.remove(message)
            self._ledger.write(Entry(now, what, queue.name, message.id, receives=message.receives))

    def _wait(self, queue: Queue, deadline: int) -> None:
        changes = (queue.next_change_ms(), self.move_tasks.next_move_ms())
        until = min([deadline, *(change for change in changes if change is not None)])
        if self._long_polls is LongPolls.JUMP:
            assert isinstance(self._clock, VirtualClock)
            self._clock.advance_to(until)
            return
        self.waiting_polls += 1
        try:
            self._clock.wait(self._changed, until)
        finally:
            self.waiting_polls -= 1

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _notify(self) -> None:
        if self.waiting_polls:
            self._changed.notify_all()


def _invalid_visibility(seconds: int, reason: str) -> SqsError:
    return invalid_value("VisibilityTimeout", seconds, reason)
