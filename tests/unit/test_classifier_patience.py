"""Asking until the endpoint answers: an outage is waited out, one refused text is found, a wrong setting harms none."""

import random
from collections.abc import Callable, Sequence

import pytest

from classifier.endpoint import ContentRefused, EndpointUnavailable, ModelEndpoint, Scores
from classifier.patient_endpoint import PatientEndpoint, Stopping
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.connection_state import ConnectionState
from tests.support.recorded_stop import RecordedStop

Answer = Callable[[Sequence[str]], list[Scores]]


class ScriptedEndpoint(ModelEndpoint):
    """Fails as often as the script says, then answers by ``judge``."""

    def __init__(self, judge: Answer, *failures: Exception) -> None:
        self._judge = judge
        self._failures = list(failures)
        self.calls: list[list[str]] = []

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        self.calls.append(list(texts))
        if self._failures:
            raise self._failures.pop(0)
        return self._judge(texts)


def score_all(texts: Sequence[str]) -> list[Scores]:
    return [{"quake": len(text) / 100} for text in texts]


def refusing(*bad: str) -> Answer:
    def judge(texts: Sequence[str]) -> list[Scores]:
        if set(bad) & set(texts):
            raise ContentRefused("bad content")
        return score_all(texts)

    return judge


def refuse_all(texts: Sequence[str]) -> list[Scores]:
    raise ContentRefused("candidate_labels: too many")


def patient(endpoint: ModelEndpoint, stopping: RecordedStop, state: ConnectionState | None = None) -> PatientEndpoint:
    """A worker's way by itself, with a breaker that opens at the first failure; only waits move its clock."""
    rng = random.Random(1)
    breaker = Breaker(1, Backoff(0.5, 30.0, rng), clock=lambda: sum(stopping.waits))
    state = state or ConnectionState("model endpoint")
    return PatientEndpoint(endpoint, breaker, AdaptiveLimit(1, 1), Backoff(0.5, 30.0, rng), state, stopping)


def never() -> RecordedStop:
    return RecordedStop(ends_after=1000)


def test_one_call_judges_all_texts() -> None:
    endpoint = ScriptedEndpoint(score_all)
    assert patient(endpoint, never()).judge(["a", "bb"]) == [{"quake": 0.01}, {"quake": 0.02}]
    assert endpoint.calls == [["a", "bb"]]


def test_an_outage_is_waited_out_with_growing_waits() -> None:
    stopping = never()
    outage = [EndpointUnavailable("down")] * 4
    assert patient(ScriptedEndpoint(score_all, *outage), stopping).judge(["a"]) == [{"quake": 0.01}]
    assert len(stopping.waits) == 4
    for wait, ceiling in zip(stopping.waits, [0.5, 1.0, 2.0, 4.0], strict=True):
        assert ceiling / 2 <= wait <= ceiling


def test_after_an_answer_the_waits_start_over() -> None:
    stopping = never()
    endpoint = ScriptedEndpoint(score_all, *[EndpointUnavailable("down")] * 6)
    judge = patient(endpoint, stopping).judge
    judge(["a"])
    endpoint._failures = [EndpointUnavailable("down")]
    judge(["a"])
    assert stopping.waits[-1] <= 0.5


def test_the_state_tells_of_an_outage_and_of_its_end() -> None:
    seen: list[str | None] = []
    state = ConnectionState("model endpoint")

    def judge(texts: Sequence[str]) -> list[Scores]:
        seen.append(state.trouble())
        return score_all(texts)

    patient(ScriptedEndpoint(judge, EndpointUnavailable("503: down")), never(), state).judge(["a"])
    # what the probe found, and the text after it
    assert seen == ["503: down", None]
    assert state.trouble() is None


def test_the_one_refused_text_of_a_batch_is_found_and_the_others_are_judged() -> None:
    endpoint = ScriptedEndpoint(refusing("bad"))
    good, refused, other = patient(endpoint, never()).judge(["a", "bad", "bb"])
    assert (good, other) == ({"quake": 0.01}, {"quake": 0.02})
    assert isinstance(refused, ContentRefused)
    assert str(refused) == "bad content"


def test_a_refused_text_on_its_own_is_refused() -> None:
    (refused,) = patient(ScriptedEndpoint(refusing("bad")), never()).judge(["bad"])
    assert isinstance(refused, ContentRefused)


def test_while_everything_is_refused_nothing_is_called_refused() -> None:
    stopping = RecordedStop(ends_after=5)
    state = ConnectionState("model endpoint")
    with pytest.raises(Stopping):
        patient(ScriptedEndpoint(refuse_all), stopping, state).judge(["a", "b"])
    assert len(stopping.waits) == 5
    assert state.trouble() == "it refuses every text: candidate_labels: too many"


def test_texts_that_were_refused_with_everything_else_are_judged_once_that_has_passed() -> None:
    # the batch, its first text, and the harmless one, three times
    refusals = [ContentRefused("labels")] * 5
    assert patient(ScriptedEndpoint(score_all, *refusals), never()).judge(["a", "bb"]) == [
        {"quake": 0.01},
        {"quake": 0.02},
    ]


def test_an_outage_while_the_refused_text_is_looked_for_is_waited_out() -> None:
    failures = [ContentRefused("x"), EndpointUnavailable("down"), EndpointUnavailable("down")]
    assert patient(ScriptedEndpoint(score_all, *failures), never()).judge(["a", "bb"]) == [
        {"quake": 0.01},
        {"quake": 0.02},
    ]


def test_a_stop_ends_the_wait() -> None:
    stopping = RecordedStop(ends_after=3)
    endpoint = ScriptedEndpoint(score_all, *[EndpointUnavailable("down")] * 100)
    with pytest.raises(Stopping):
        patient(endpoint, stopping).judge(["a"])
    assert len(endpoint.calls) == 3


def test_after_a_stop_no_further_call_is_begun() -> None:
    stopping = never()

    def judge(texts: Sequence[str]) -> list[Scores]:
        stopping.set()
        raise ContentRefused("bad content")

    endpoint = ScriptedEndpoint(judge)
    with pytest.raises(Stopping):
        patient(endpoint, stopping).judge(["a", "b", "c"])
    assert len(endpoint.calls) == 1
