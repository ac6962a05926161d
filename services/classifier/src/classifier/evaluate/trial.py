"""One run of labelled posts through the real path: what the service does between its queues, with nothing changed."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from classifier.cases import Answered, Case
from classifier.evaluate.labelled_post import LabelledPost
from classifier.evaluate.naming import Naming
from classifier.evaluate.progress import Progress
from classifier.evaluate.record import LabelledCase, Record
from classifier.evaluate.waiting import Waiting
from classifier.in_hand import InHand
from classifier.judging import Judging
from pipeline.received_message import ReceivedMessage

#: Bytes of posts in hand.
_BYTES_IN_HAND = 16 * 1024 * 1024
#: Seconds until a wait looks whether all is well.
_STEP = 0.1


@dataclass(frozen=True)
class Parts:
    """What a trial works with. ``most`` posts are in hand at a time; ``stopping`` is that of ``judging``."""

    judging: Judging
    record: Record
    naming: Naming
    waiting: Waiting
    progress: Progress
    stopping: threading.Event
    most: int
    clock: Callable[[], float] = time.monotonic


class Trial:
    """Runs once. Callers and probers end with it; a call that is under way when it is broken off is not waited for."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._in_hand = InHand(parts.most, _BYTES_IN_HAND)
        self._crashes: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self._answers = 0
        self._counting = threading.Lock()

    def run(self, posts: Iterable[LabelledPost]) -> float:
        """The seconds that it took, from the moment that an endpoint was up. Raises Unavailable, and what crashed."""
        judging, clock = self._parts.judging, self._parts.clock
        try:
            for name, loop in {**judging.callers(self), **judging.probers()}.items():
                threading.Thread(target=self._watched, args=(loop,), name=name, daemon=True).start()
            while not any(line.is_up for line in judging.lines):
                self._look()
                self._parts.stopping.wait(_STEP / 5)
            started = clock()
            for row, labelled in enumerate(posts):
                while not self._in_hand.wait_for_room(_STEP):
                    self._look()
                case = self._case(row, labelled)
                self._in_hand.add(case)
                self.settle(judging.desk.submit([case]))
                if row % 64 == 0:
                    self._look()
            while self._in_hand.count:
                self._look()
                self._parts.stopping.wait(_STEP / 5)
            self._look()
            return clock() - started
        finally:
            self._parts.stopping.set()

    def settle(self, answered: Sequence[Answered]) -> None:
        """These are answered."""
        self._parts.record.take(answered)
        for case, _ in answered:
            self._in_hand.remove(case)
        with self._counting:
            self._answers += len(answered)

    def give_back(self, cases: Sequence[Case]) -> None:
        """The trial is over, or broken off."""

    def _case(self, row: int, labelled: LabelledPost) -> LabelledCase:
        post = labelled.post
        # the words stand in for the message's body, by whose length memory is bounded
        message = ReceivedMessage(str(row), post.text + post.quoted_text, "", 1, {})
        about, strangers = self._parts.naming.split(labelled.labels)
        return LabelledCase(message, post, row, labelled.line, about, strangers)

    def _look(self) -> None:
        if not self._crashes.empty():
            raise self._crashes.get()
        self._parts.progress.show(self._answers)
        self._parts.waiting.look(self._answers)

    def _watched(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as crash:  # noqa: BLE001 - told to the thread that waits
            self._crashes.put(crash)
