"""classifier as a real process that is ended under load, in good order and by force; tests/chaos has a long form."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chaos.seed import seeded
from tests.support.classifier_kills import kill_under_load
from tests.support.classifier_process import ClassifierProcess, numbered
from tests.support.endpoint_answers import NAN
from tests.support.endpoint_stand_in import THROTTLED, Call, Cut, Outcome, Silence, model_error, poisoned
from tests.support.strict_sqs import What

POISON = poisoned({"poison-a": model_error(400), "poison-b": model_error(500)})

TROUBLE: list[Outcome] = [THROTTLED, model_error(500), NAN, Cut()]


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    return seeded(request, default=5)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[ClassifierProcess]:
    # few posts in hand, so that more are left to be received; a client that waits a second for an answer
    settings = {"WORKERS": "2", "BATCH_TEXTS": "8"}
    with ClassifierProcess(tmp_path, settings, module="tests.support.impatient_classifier") as work:
        yield work


def test_kills_under_load_lose_nothing(tmp_path: Path, rng: random.Random) -> None:
    assert kill_under_load(tmp_path, rng, 3)["kills"] == 3


def test_a_stop_in_the_middle_of_trouble_ends_in_time_and_gives_back_at_once(
    work: ClassifierProcess, rng: random.Random
) -> None:
    fate = random.Random(rng.getrandbits(32))

    def stormy(call: Call) -> Outcome:
        return fate.choice(TROUBLE) if fate.random() < 0.2 else POISON(call)

    work.endpoint.behave = stormy
    work.endpoint.seconds = 0.05
    # several stops, for each meets something else: calls, waits, probes
    for number in range(2):
        numbers = range(number * 400, number * 400 + 400)
        work.send(numbered(numbers, {rng.choice(numbers): "poison-a", numbers[7]: "poison-b"}))
        before = work.left()
        work.start()
        work.wait_until(lambda left=before: work.left() < left - 20, "the first judgements")  # type: ignore[misc]
        log = work.end()
        assert log[-1]["event"] == "stopped"
        assert work.hidden() == [], "neither deleted nor given back"
        work.assert_balanced(some_are_left=True)
    assert work.left(), "no stop met a post"
    work.endpoint.behave = poisoned({"poison": model_error(400)})
    work.start()
    work.wait_until_settled()
    work.assert_balanced()
    # what was given back is the only thing that was received again
    given_back = {entry.message_id for entry in work.sqs.ledger.entries(What.VISIBILITY_CHANGED) if entry.detail == "0"}
    assert work.received_again() <= given_back


def test_a_stop_while_the_endpoint_says_nothing_ends_in_time_and_gives_back_all(work: ClassifierProcess) -> None:
    work.start_and_wait()
    work.endpoint.behave = lambda _call: Silence()
    work.send(numbered(range(400)))
    silent = len(work.endpoint.calls) + 2
    work.wait_until(lambda: len(work.endpoint.calls) >= silent, "all callers to wait for an answer")
    work.end()
    assert len(work.sqs.visible("posts")) == 400
    work.assert_balanced(some_are_left=True)
