"""A trial's own part: how many posts it holds, how it ends, and what becomes of a crash."""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from classifier.cases import Answered, Judged
from classifier.evaluate.labelled_post import LabelledPost, labelled_post
from classifier.evaluate.naming import Naming
from classifier.evaluate.progress import Progress
from classifier.evaluate.record import LabelledCase, Record
from classifier.evaluate.trial import Parts, Trial
from classifier.evaluate.waiting import Waiting
from classifier.labels import Labels
from pipeline.errors import Unavailable
from tests.support.labelled_trials import config_of

CONFIG = config_of("[{name: flood, threshold: 0.5}]")


class Line:
    is_up = True


class Desk:
    """Keeps what is submitted for whoever answers."""

    def __init__(self) -> None:
        self.labels = Labels(CONFIG)
        self.waiting: list[LabelledCase] = []
        self.most_waiting = 0
        self.changed = threading.Condition()

    def submit(self, cases: Sequence[LabelledCase]) -> list[Answered]:
        with self.changed:
            for case in cases:
                case.label_set = self.labels.everything
                self.waiting.append(case)
            self.most_waiting = max(self.most_waiting, len(self.waiting))
            self.changed.notify()
        return []


class Judging:
    """In the place of what judges: one loop, given by the test."""

    def __init__(self, loop: Callable[["Judging", Any], None], stopping: threading.Event) -> None:
        self.desk = Desk()
        self.lines = [Line()]
        self.stopping = stopping
        self._loop = loop

    def callers(self, outcomes: Any) -> dict[str, Callable[[], None]]:
        return {"caller": lambda: self._loop(self, outcomes)}

    def probers(self) -> dict[str, Callable[[], None]]:
        return {}


def posts(count: int) -> Iterator[LabelledPost]:
    for number in range(count):
        yield labelled_post(b'{"text": "post %d", "label": "flood"}' % number, number + 1)


def trial_of(
    loop: Callable[[Judging, Any], None], count: int, timeout: float | None = None
) -> tuple[Trial, Judging, Record]:
    stopping = threading.Event()
    judging = Judging(loop, stopping)
    record = Record(CONFIG, count, 3)
    seconds = iter(range(10**9))
    waiting = Waiting("endpoint", lambda: None, lambda _: None, timeout, lambda: next(seconds) / 100)
    parts = Parts(
        judging=judging,  # type: ignore[arg-type]
        record=record,
        naming=Naming(CONFIG.labels, {}),
        waiting=waiting,
        progress=Progress(io.StringIO(), "evaluating", count),
        stopping=stopping,
        most=8,
    )
    return Trial(parts), judging, record


def answer_all(judging: Judging, outcomes: Any) -> None:
    desk = judging.desk
    while not judging.stopping.is_set():
        with desk.changed:
            desk.changed.wait_for(lambda: len(desk.waiting) >= 5, 0.01)
            cases, desk.waiting = desk.waiting, []
        outcomes.settle([(case, Judged([0.9], "m")) for case in cases])


def test_every_post_is_judged_and_few_are_held_at_a_time() -> None:
    trial, judging, record = trial_of(answer_all, 200)
    assert trial.run(posts(200)) >= 0
    assert bytes(record.judged) == b"\x01" * 200
    assert judging.desk.most_waiting <= 8
    assert judging.stopping.is_set()


def test_a_crash_of_a_caller_ends_it() -> None:
    def crash(judging: Judging, outcomes: Any) -> None:
        raise ZeroDivisionError

    trial, judging, _ = trial_of(crash, 200)
    with pytest.raises(ZeroDivisionError):
        trial.run(posts(200))
    assert judging.stopping.is_set()


def test_an_endpoint_that_falls_silent_ends_it_in_time() -> None:
    trial, judging, _ = trial_of(lambda judging, _: (judging.stopping.wait(), None)[1], 200, timeout=0.05)
    with pytest.raises(Unavailable, match="no answer within"):
        trial.run(posts(200))
    assert judging.stopping.is_set()
