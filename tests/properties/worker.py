"""A service's own part, as services write it: handles what the reader hands out, and settles each message."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pipeline.acceptance import Acceptance, settle
from pipeline.queue_reader import ReceivedMessage
from pipeline.queue_writer import QueueWriter
from tests.properties.books import Books, Holder
from tests.properties.desk import Desk
from tests.properties.posts import Kind, alert_bodies, read_post
from tests.properties.primitives import Event

#: Seconds that a batch's work takes, of each the same chance; some are longer than the visibility timeout.
_WORK = (0.0, 0.0, 0.0, 0.0, 0.05, 1.0, 5.0, 20.0, 40.0, 80.0)
#: How many messages a worker asks for.
_LIMITS = (10, 10, 3, 1)
#: Of so many messages one is given back, and one tried again later; and of so many turns one settles what it must not.
_GIVE_BACK, _RETRY, _MISTAKE = 12, 12, 4
_DELAYS = (0, 0, 5, 40)


class Mood:
    """At first workers do as they like; once ``calm`` they just work."""

    def __init__(self) -> None:
        self.calm = False


class Worker:
    """One loop of a service. ``rng`` decides what it does with each message; ``puts`` numbers what it sends."""

    def __init__(
        self,
        desk: Desk,
        writer: QueueWriter,
        books: Books,
        holder: Holder,
        stopping: Event,
        puts: Iterator[int],
        rng: Callable[[], random.Random],
        sleep: Callable[[float], object],
        check_written: Callable[[], None],
        mood: Mood,
    ) -> None:
        self._desk = desk
        self._writer = writer
        self._books = books
        self._holder = holder
        self._stopping = stopping
        self._puts = puts
        self._rng = rng
        self._sleep = sleep
        self._check_written = check_written
        self._mood = mood
        self._let_go: list[ReceivedMessage] = []

    def run(self) -> None:
        """Until ``stopping``."""
        while not self._stopping.is_set():
            if messages := self._desk.receive(self._rng().choice(_LIMITS)):
                self._handle(messages)
            if self._let_go and self._one_of(_MISTAKE):
                self._desk.settle_by_mistake(self._rng().choice(self._let_go))

    def _handle(self, messages: Sequence[ReceivedMessage]) -> None:
        if self._work():
            self._give_back(messages)
            return
        led_to: list[tuple[ReceivedMessage, list[Acceptance]]] = []
        for message in messages:
            number, kind = read_post(message.body)
            if self._one_of(_GIVE_BACK):
                self._give_back([message])
            elif self._one_of(_RETRY):
                self._let_go.append(message)
                self._desk.retry_later([message])
            elif kind in {Kind.POISON, Kind.FULL_POISON}:
                self._desk.dead_letter(message, f"post {number} is poison")
            else:
                bodies = alert_bodies(number, kind, next(self._puts))
                led_to.append((message, [self._put(body, message) for body in bodies]))
        settle(self._desk.reader, led_to, "alert", self._stopping)  # type: ignore[arg-type]

    def _work(self) -> bool:
        """Takes its time; whether it was interrupted by the stop, as a model's patient client is."""
        if self._mood.calm:
            return False
        seconds = self._rng().choice(_WORK)
        if not seconds:
            return False
        if self._one_of(2):
            return self._stopping.wait(seconds)
        self._sleep(seconds)
        return False

    def _give_back(self, messages: Sequence[ReceivedMessage]) -> None:
        self._let_go.extend(messages)
        self._desk.give_back(messages, self._rng().choice(_DELAYS))

    def _put(self, body: str, message: ReceivedMessage) -> Acceptance:
        acceptance = self._holder.puts[body] = self._writer.put(body, {"trace_id": message.id})
        self._check_written()
        acceptance.add_done_callback(partial(self._tell, body))
        return acceptance

    def _tell(self, body: str, acceptance: Acceptance) -> None:
        self._books.told(self._holder, body, acceptance.exception(0.0))

    def _one_of(self, number: int) -> bool:
        return not self._mood.calm and self._rng().randrange(number) == 0
