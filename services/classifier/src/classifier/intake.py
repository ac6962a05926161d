"""Takes posts from their queue and puts them before the desk, as long as there is room and an endpoint that is up."""

import threading
from collections.abc import Sequence
from typing import Protocol

from classifier.cases import Case
from classifier.desk import Desk
from classifier.in_hand import InHand
from classifier.line import Line
from classifier.outcomes import Outcomes
from pipeline.breaker import BreakerState
from pipeline.contracts import decode_post
from pipeline.errors import ContractError
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.trace import trace_id_of, tracing

#: Seconds until a wait for room looks whether the service is to stop.
_STEP = 0.5


class Pausable(Protocol):
    """The part of a QueueReader that is needed here. Both return at once, and may be called again and again."""

    def pause(self) -> None:
        """Receives nothing until ``resume``. What is in hand stays in hand."""

    def resume(self) -> None:
        """Receives again."""


def pause_while_none_is_up(lines: Sequence[Line], reader: Pausable) -> None:
    """From now on the reader is paused whenever no line is up: posts wait in their queue, where they cost nothing."""
    lock = threading.Lock()

    def follow(_state: BreakerState) -> None:
        # each line tells by itself; who comes last must have seen all of them as they are
        with lock:
            if any(line.is_up for line in lines):
                reader.resume()
            else:
                reader.pause()

    for line in lines:
        line.breaker.listen(follow)


class Intake:
    """One loop of the service. Several may share everything."""

    def __init__(
        self,
        reader: QueueReader,
        desk: Desk,
        outcomes: Outcomes,
        in_hand: InHand,
        lines: Sequence[Line],
        stopping: threading.Event,
    ) -> None:
        self._reader = reader
        self._desk = desk
        self._outcomes = outcomes
        self._in_hand = in_hand
        self._lines = lines
        self._stopping = stopping

    def run(self) -> None:
        """Until ``stopping``; receives nothing before an endpoint has answered once."""
        while not self._stopping.is_set():
            if not self._in_hand.wait_for_room(_STEP):
                continue
            if not any(line.is_up for line in self._lines):
                # what is buffered stays there, for a reader that was never asked receives nothing at all
                self._stopping.wait(_STEP / 10)
                continue
            self._take_in(self._reader.receive())

    def _take_in(self, messages: Sequence[ReceivedMessage]) -> None:
        cases = []
        for message in messages:
            try:
                cases.append(Case(message, decode_post(message.body)))
            except ContractError as error:
                with tracing(trace_id_of(message)):
                    self._reader.dead_letter(message, f"not a post: {error}")
        for case in cases:
            self._in_hand.add(case)
        self._outcomes.settle(self._desk.submit(cases))
