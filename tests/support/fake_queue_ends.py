"""A reader and a writer without a queue, which remember what was asked of them."""

import threading
from collections.abc import Callable, Mapping, Sequence

from pipeline.acceptance import Acceptance
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.queue_writer import QueueWriter


class FakeReader(QueueReader):
    """Hands out the batches given, then sets ``stopping``. A message that is settled twice fails the test."""

    def __init__(self, stopping: threading.Event, *batches: Sequence[ReceivedMessage]) -> None:
        self._fake_stopping = stopping
        self._batches = list(batches)
        self.deleted: list[str] = []
        self.given_back: dict[str, int] = {}
        self.dead_letters: dict[str, str] = {}
        self.log_reasons: dict[str, str] = {}

    def receive(self, limit: int = 10, timeout: float = 5.0) -> list[ReceivedMessage]:
        if self._batches:
            return list(self._batches.pop(0))
        self._fake_stopping.set()
        return []

    def delete(self, messages: Sequence[ReceivedMessage]) -> None:
        for message in messages:
            self._settle_once(message)
            self.deleted.append(message.id)

    def give_back(self, messages: Sequence[ReceivedMessage], delay_seconds: int = 0) -> None:
        for message in messages:
            self._settle_once(message)
            self.given_back[message.id] = delay_seconds

    def dead_letter(self, message: ReceivedMessage, reason: str, log_reason: str | None = None) -> None:
        self._settle_once(message)
        self.dead_letters[message.id] = reason
        self.log_reasons[message.id] = log_reason or reason

    def close(self, timeout: float | None = None) -> None:
        pass

    @property
    def settled(self) -> set[str]:
        return {*self.deleted, *self.given_back, *self.dead_letters}

    def _settle_once(self, message: ReceivedMessage) -> None:
        assert message.id not in self.settled, f"{message.id} was settled twice"


class FakeWriter(QueueWriter):
    """Keeps what was put. ``verdict`` decides on each body: None accepts, an error refuses, "later" decides nothing."""

    def __init__(self, verdict: Callable[[str], Exception | str | None] = lambda _body: None) -> None:
        self._verdict = verdict
        self.bodies: list[str] = []
        self.delays: list[int] = []
        self.undecided: list[Acceptance] = []

    def put(self, body: str, attributes: Mapping[str, str] | None = None, delay_seconds: int = 0) -> Acceptance:
        self.bodies.append(body)
        self.delays.append(delay_seconds)
        accepted = Acceptance()
        verdict = self._verdict(body)
        if isinstance(verdict, Exception):
            accepted.set_exception(verdict)
        elif verdict is None:
            accepted.set_result()
        else:
            self.undecided.append(accepted)
        return accepted
