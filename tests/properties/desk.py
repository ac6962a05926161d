"""The reader as its owner sees it: each word to it goes into the books first."""

from collections.abc import Callable, Sequence
from typing import cast

from pipeline.queue_reader import QueueReader, ReceivedMessage
from tests.properties.books import Books, Broken, Holder
from tests.properties.scheduler import Scheduler

#: Seconds after which a message that is tried again later is visible at the latest.
_LONGEST_RETRY = 900.0


class Desk:
    """Has what services use of QueueReader. ``settle_by_mistake`` is what a correct service never does."""

    def __init__(self, reader: QueueReader, books: Books, holder: Holder, scheduler: Scheduler) -> None:
        self._reader = reader
        self._books = books
        self._holder = holder
        self._scheduler = scheduler

    @property
    def reader(self) -> QueueReader:
        """Itself, under the type that ``settle`` asks for."""
        return cast(QueueReader, self)

    def receive(self, limit: int) -> list[ReceivedMessage]:
        messages = self._reader.receive(limit)
        self._tell("takes", messages)
        self._books.taken(self._holder, messages)
        return messages

    def delete(self, messages: Sequence[ReceivedMessage]) -> None:
        self._tell("deletes", messages)
        self._books.handled(self._holder, messages)
        self._reader.delete(messages)

    def give_back(self, messages: Sequence[ReceivedMessage], delay_seconds: int = 0) -> None:
        self._return(messages, lambda: self._reader.give_back(messages, delay_seconds), delay_seconds)

    def retry_later(self, messages: Sequence[ReceivedMessage]) -> None:
        self._return(messages, lambda: self._reader.retry_later(messages), _LONGEST_RETRY)

    def dead_letter(self, message: ReceivedMessage, reason: str, log_reason: str | None = None) -> None:
        self._tell("dead-letters", [message])
        self._books.may_be_dead(self._holder, message)
        with self._books.letting_go(self._holder, [message], "it may be that no dead letter could be written"):
            self._reader.dead_letter(message, reason, log_reason)

    def settle_by_mistake(self, message: ReceivedMessage) -> None:
        """Settles what its owner has settled already, in each of the ways. Raises Broken if that has any effect."""
        task = self._scheduler.current
        assert task
        calls = task.calls
        self._tell("settles by mistake", [message])
        self._reader.delete([message])
        self._reader.give_back([message])
        self._reader.retry_later([message])
        self._reader.dead_letter(message, "its owner has settled it before")
        if task.calls > calls:
            number = self._books.fates[message.id].post.number
            raise Broken(f"post {number} was settled a second time by an owner that had let it go")

    def _return(self, messages: Sequence[ReceivedMessage], act: Callable[[], None], delay: float) -> None:
        self._tell(f"gives back for at most {delay} s", messages)
        checked = [
            (message, self._books.fates[message.id].receives)
            for message in messages
            if self._books.must_be_given_back(self._holder, message)
        ]
        with self._books.letting_go(self._holder, messages, "its owner gave it back"):
            act()
        for message, receives in checked:
            self._books.check_given_back(message, receives, delay)

    def _tell(self, what: str, messages: Sequence[ReceivedMessage]) -> None:
        if messages:
            self._scheduler.tell(what, *(f"{message.body[:12]}/{message.receive_count}" for message in messages))
