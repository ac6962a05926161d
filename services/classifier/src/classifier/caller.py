"""One caller: takes a batch from the desk, has it judged, and says what came of it."""

import threading
from collections.abc import Sequence
from typing import Protocol

from classifier.cases import Answered, Case
from classifier.desk import Batch, Desk
from classifier.patience import Patience, Stopping, Superseded

#: Seconds until a caller without work looks whether the service is to stop.
_STEP = 1.0


class Settles(Protocol):
    """Where cases go from here."""

    def settle(self, answered: Sequence[Answered]) -> None:
        """These are answered."""

    def give_back(self, cases: Sequence[Case]) -> None:
        """These are not, and will not be."""


class Caller:
    """Has one batch in hand at a time. As many of them as calls may be under way share desk and outcomes."""

    def __init__(self, desk: Desk, patience: Patience, outcomes: Settles, stopping: threading.Event) -> None:
        self._desk = desk
        self._patience = patience
        self._outcomes = outcomes
        self._stopping = stopping

    def run(self) -> None:
        """Until ``stopping``: a call that is under way then is waited for, and counts."""
        while not self._stopping.is_set():
            batch = self._desk.take(_STEP)
            if batch:
                self._handle(batch)

    def _handle(self, batch: Batch) -> None:
        try:
            for questions, answers in self._patience.judge(batch.questions, batch.label_set):
                self._outcomes.settle(self._desk.answered(questions, answers))
        except Stopping:
            self._outcomes.give_back(self._desk.withdraw(batch))
        except Superseded:
            self._outcomes.settle(self._desk.ask_again(batch))
            # a desk that was closed meanwhile asks nothing again
            self._outcomes.give_back(self._desk.withdraw(batch))
