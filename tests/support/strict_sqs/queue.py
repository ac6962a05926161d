"""One standard queue: what lies in it, what is visible when, what is in flight. It knows no faults and no requests."""

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator

from tests.support.strict_sqs.limits import SECOND_MS
from tests.support.strict_sqs.message import Delivery, Message, Place
from tests.support.strict_sqs.queue_attributes import Settings
from tests.support.strict_sqs.receipts import Receipt

_Timed = tuple[int, int, Message]
#: Entries of a heap that may be out of date before it is cleared of them.
_SPARE = 1000


class Queue:
    """Not safe for several threads: its broker holds a lock. All times are in milliseconds.

    ``lateness`` gives the milliseconds by which a message turns visible later than it should, each time anew.
    """

    def __init__(
        self, name: str, arn: str, serial: int, settings: Settings, created_ms: int, lateness: Callable[[], int]
    ) -> None:
        self.name = name
        self.arn = arn
        self.serial = serial
        self.settings = settings
        self.created_ms = created_ms
        self.modified_ms = created_ms
        self.purged_ms: int | None = None
        self.in_flight = 0
        self._lateness = lateness
        self._messages: dict[int, Message] = {}
        self._visible: OrderedDict[int, Message] = OrderedDict()
        # entries of both heaps may be out of date, and are checked when their time comes
        self._hidden: list[_Timed] = []
        self._by_age: list[_Timed] = []
        self._turn = itertools.count()

    def __iter__(self) -> Iterator[Message]:
        """All messages, in the order of their arrival."""
        return iter(list(self._messages.values()))

    def add(self, message: Message, available_ms: int, now_ms: int) -> None:
        """Takes a message that turns visible at ``available_ms``, at once where that is past."""
        self._messages[message.number] = message
        heapq.heappush(self._by_age, (message.sent_ms, next(self._turn), message))
        if len(self._by_age) > _SPARE + 2 * len(self._messages):
            self._by_age = [entry for entry in self._by_age if not self._gone(entry[2])]
            heapq.heapify(self._by_age)
        if available_ms <= now_ms:
            self._show(message)
        else:
            self._hide(message, Place.DELAYED, available_ms)

    def settle(self, now_ms: int) -> list[Message]:
        """Shows what has become due, and drops and returns what is older than the queue keeps messages."""
        while self._hidden and self._hidden[0][0] <= now_ms:
            entry = heapq.heappop(self._hidden)
            if self._is_hidden_by(entry):
                self._show(entry[2])
        expired = []
        retention_ms = self.settings.retention * SECOND_MS
        while self._by_age and (self._gone(self._by_age[0][2]) or self._by_age[0][0] + retention_ms <= now_ms):
            message = heapq.heappop(self._by_age)[2]
            if not self._gone(message):
                self.remove(message)
                expired.append(message)
        return expired

    def next_change_ms(self) -> int | None:
        """When the next hidden message may turn visible."""
        return self._hidden[0][0] if self._hidden else None

    def visible(self) -> list[Message]:
        """What a receive may give, first that which is visible for longest. As of the last ``settle``."""
        return list(self._visible.values())

    def next_visible(self) -> Message | None:
        """The first of these."""
        return next(iter(self._visible.values()), None)

    def put_in_order(self, visible: list[Message]) -> None:
        """Sets the order in which ``next_visible`` gives these, which must be all."""
        for message in visible:
            self._visible.move_to_end(message.number)

    def claim(self, message: Message, timeout_ms: int, now_ms: int) -> Delivery:
        """Receives a visible message: it is hidden until its timeout, or a settle, where that is 0."""
        message.receives += 1
        message.received_ms = now_ms
        if message.receives == 1:
            message.first_received_ms = now_ms
        message.claimed_until_ms = now_ms + timeout_ms
        self._hide(message, Place.IN_FLIGHT, message.claimed_until_ms)
        receipt = Receipt(self.serial, message.number, message.receives).handle()
        return Delivery(message, receipt, message.receives, message.first_received_ms)

    def duplicate(self, message: Message) -> None:
        """Lets the next receive have a message that is in flight, whose claim goes on."""
        self._show(message)

    def change_claim(self, message: Message, timeout_ms: int, now_ms: int) -> None:
        """Sets the end of the latest receive's claim, counted from now. A duplicate stays visible."""
        duplicated = message.place is Place.VISIBLE and now_ms < message.claimed_until_ms
        message.claimed_until_ms = now_ms + timeout_ms
        if timeout_ms == 0:
            self._show(message)
        elif not duplicated:
            self._hide(message, Place.IN_FLIGHT, message.claimed_until_ms)

    def claimed(self, receipt: Receipt) -> Message | None:
        """The message that a receipt is for, while it is in this queue."""
        return self._messages.get(receipt.message)

    def remove(self, message: Message) -> None:
        """Takes a message out, wherever it is."""
        del self._messages[message.number]
        self._leave(message)
        message.place = Place.GONE

    def counts(self) -> tuple[int, int, int]:
        """Messages that are visible, in flight and delayed. As of the last ``settle``."""
        delayed = len(self._messages) - len(self._visible) - self.in_flight
        return len(self._visible), self.in_flight, delayed

    def _gone(self, message: Message) -> bool:
        return self._messages.get(message.number) is not message

    def _show(self, message: Message) -> None:
        self._leave(message)
        message.place = Place.VISIBLE
        self._visible[message.number] = message

    def _hide(self, message: Message, place: Place, until_ms: int) -> None:
        self._leave(message)
        message.place = place
        if place is Place.IN_FLIGHT:
            self.in_flight += 1
        message.available_ms = until_ms + self._lateness()
        heapq.heappush(self._hidden, (message.available_ms, next(self._turn), message))
        if len(self._hidden) > _SPARE + 2 * len(self._messages):
            self._hidden = [entry for entry in self._hidden if self._is_hidden_by(entry)]
            heapq.heapify(self._hidden)

    def _is_hidden_by(self, entry: _Timed) -> bool:
        due_ms, _, message = entry
        hidden = message.place in {Place.DELAYED, Place.IN_FLIGHT}
        return hidden and message.available_ms == due_ms and not self._gone(message)

    def _leave(self, message: Message) -> None:
        self._visible.pop(message.number, None)
        if message.place is Place.IN_FLIGHT:
            self.in_flight -= 1
