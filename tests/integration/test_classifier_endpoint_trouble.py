"""classifier as a real process and an endpoint in every kind of trouble, for a while: nothing is lost or given up."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.classifier_process import ClassifierProcess, numbered
from tests.support.endpoint_answers import (
    ABOVE_ONE,
    BARE_OBJECT,
    BROKEN_JSON,
    ERROR_WITH_200,
    MISSING_LABEL,
    NAN,
    ONE_ANSWER_TOO_FEW,
)
from tests.support.endpoint_stand_in import THROTTLED, Call, Cut, Failure, Outcome, Silence, model_error

POSTS = 12
#: Calls that an outage must meet.
_MET = 2

#: What every call meets for a while, one kind after the other.
OUTAGES: dict[str, Outcome] = {
    "ModelNotReadyException": Failure(429, "ModelNotReadyException", {"Message": "the model is not ready"}),
    "ThrottlingException": THROTTLED,
    "ServiceUnavailable": Failure(503, "ServiceUnavailable", {"Message": "Service is unavailable"}),
    "InternalFailure": Failure(500, "InternalFailure", {"Message": "the service failed"}),
    "no such endpoint": Failure(400, "ValidationError", {"Message": "Endpoint minilm of account 1 not found."}),
    "ValidationError": Failure(400, "ValidationError", {"Message": "Variant all is not for inference"}),
    **{f"ModelError {status}": model_error(status) for status in (400, 413, 429, 500, 502, 503, 504)},
    "cut after the request": Cut(),
    "broken JSON": BROKEN_JSON,
    "an error with status 200": ERROR_WITH_200,
    "NaN": NAN,
    "a score above 1": ABOVE_ONE,
    "a label without a score": MISSING_LABEL,
    "an answer too few": ONE_ANSWER_TOO_FEW,
}


class Phases:
    """Posts in groups, each of which meets something else, in one process."""

    def __init__(self, work: ClassifierProcess) -> None:
        self.work = work
        self._calls_before = 0

    def send(self, count: int = POSTS) -> None:
        self._calls_before = len(self.work.endpoint.calls)
        self.work.send(numbered(range(len(self.work.sent), len(self.work.sent) + count)))

    def wait_for_failures(self, more: int = _MET) -> None:
        """Until so many more calls have come in than before these posts were sent."""
        enough = self._calls_before + more
        self.work.wait_until(lambda: len(self.work.endpoint.calls) >= enough, f"{more} calls in trouble")

    def settle(self) -> None:
        self.work.endpoint.behave = lambda _call: None
        self.work.wait_until_settled()
        self.work.assert_balanced()
        self.work.assert_received_once()


@pytest.fixture
def phases(tmp_path: Path) -> Iterator[Phases]:
    with ClassifierProcess(tmp_path, module="tests.support.impatient_classifier") as work:
        work.start_and_wait()
        yield Phases(work)


def test_every_kind_of_outage_ends_and_each_post_is_judged_after_one_receive(phases: Phases) -> None:
    work = phases.work
    for kind, outcome in OUTAGES.items():
        work.endpoint.behave = lambda _call, outcome=outcome: outcome  # type: ignore[misc]
        phases.send()
        phases.wait_for_failures()
        try:
            phases.settle()
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"after {kind}: {error}") from error


def test_an_endpoint_that_does_not_answer_or_is_not_there_is_waited_for(phases: Phases) -> None:
    work = phases.work
    # the client waits a second for each: see impatient_classifier
    work.endpoint.behave = lambda _call: Silence()
    phases.send()
    phases.wait_for_failures()
    phases.settle()

    work.endpoint.cuts_before_request = True
    phases.send()
    work.wait_until(work.is_open, "the breaker to open")
    work.endpoint.cuts_before_request = False
    phases.settle()

    with work.endpoint.gone():
        phases.send()
        work.wait_until(work.is_open, "the breaker to open")
    phases.settle()

    # the state of the endpoint is told once for each outage, not for each try
    told = [line["event"] for line in work.kill() if line.get("what") == "model endpoint minilm"]
    assert told == ["cannot be reached, trying again", "reachable again"] * (len(told) // 2)
    assert work.dead_letters() == {}


def test_a_bare_object_for_a_list_of_one_is_an_answer(phases: Phases) -> None:
    work = phases.work
    work.endpoint.behave = lambda _call: BARE_OBJECT
    for _ in range(3):
        phases.send(1)
        work.wait_until_settled()
    work.assert_balanced()
    assert work.metric("classifier_endpoint_calls_total", endpoint="minilm", outcome="EndpointFailed") == 0
    assert [len(call.texts) for call in work.endpoint.calls[-3:]] == [1, 1, 1]


def test_an_endpoint_that_is_up_for_a_moment_again_and_again_makes_no_post_a_poisonous_one(phases: Phases) -> None:
    work, calls = phases.work, itertools.count()

    def flapping(call: Call) -> Outcome:
        # a text and the harmless one asked about at once after it fail, and the prober's next harmless one is judged
        return None if next(calls) % 3 == 2 else model_error(500)

    work.endpoint.behave = flapping
    phases.send(1)
    phases.wait_for_failures(3 * 8)
    phases.settle()


def test_in_a_storm_of_all_kinds_each_post_is_judged_after_one_receive(phases: Phases) -> None:
    work, rng = phases.work, random.Random(4)
    kinds = list(OUTAGES.values())

    def stormy(_call: Call) -> Outcome:
        return rng.choice(kinds) if rng.random() < 0.4 else None

    work.endpoint.behave = stormy
    phases.send(200)
    work.wait_until_settled()
    phases.settle()


def test_throttling_makes_calls_fewer_and_costs_nothing_else(phases: Phases) -> None:
    work, rng = phases.work, random.Random(4)
    work.endpoint.behave = lambda _call: THROTTLED if rng.random() < 0.7 else None
    phases.send(100)
    work.wait_until(lambda: work.metric("classifier_endpoint_calls_limit", endpoint="minilm") == 1, "one call")
    phases.settle()
