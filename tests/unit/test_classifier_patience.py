"""One caller's way to the endpoint: an outage is waited out, one refused text is found, a wrong setting harms none."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import pairwise

import pytest

from classifier.cases import Judged
from classifier.endpoint_errors import (
    ContentRefused,
    EndpointBusy,
    EndpointFailed,
    EndpointUnavailable,
)
from classifier.patience import Stopping, Superseded
from pipeline.adaptive_limit import Slot
from pipeline.breaker import BreakerState
from tests.support.classifier_parts import (
    HARMLESS,
    Lines,
    ScriptedModel,
    one_after_the_other,
    questions,
    score,
    whenever,
)

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
DOWN = EndpointUnavailable("503: down")
BUSY = EndpointBusy("ThrottlingException: Rate exceeded")
FAILED = EndpointFailed("the model answered 500")
REFUSED = ContentRefused("not this")


def judged(text: str) -> Judged:
    return Judged([score(text)], "minilm")


def states(bench: Lines) -> list[BreakerState]:
    """Those that the breaker goes through from now on."""
    told: list[BreakerState] = []
    bench.first.breaker.listen(told.append)
    return told


def test_one_call_judges_all_texts() -> None:
    model = ScriptedModel()
    assert Lines(model).judge("a", "bb") == {"a": judged("a"), "bb": judged("bb")}
    assert model.calls == [["a", "bb"]]


# outages


def test_failures_below_the_breakers_number_are_spaced_by_the_callers_own_waits() -> None:
    model = ScriptedModel(one_after_the_other(DOWN, DOWN, None))
    bench = Lines(model, failures=3)
    assert bench.judge("a") == {"a": judged("a")}
    assert model.calls == [["a"]] * 3
    assert bench.first.breaker.state is CLOSED
    for wait, ceiling in zip(bench.waits, [0.5, 1.0], strict=True):
        assert ceiling / 2 <= wait <= ceiling


def test_after_an_answer_the_callers_own_waits_start_over() -> None:
    bench = Lines(ScriptedModel(one_after_the_other(DOWN, DOWN, None, DOWN, None)), failures=3)
    patience = bench.patience()
    bench.judge("a", patience=patience)
    bench.judge("a", patience=patience)
    assert len(bench.waits) == 3
    assert bench.waits[-1] <= 0.5


def test_once_the_breaker_is_open_only_the_harmless_text_is_asked_about_until_that_is_judged() -> None:
    model = ScriptedModel(one_after_the_other(*[DOWN] * 5, None))
    bench = Lines(model, failures=3)
    assert bench.judge("a", "b") == {"a": judged("a"), "b": judged("b")}
    assert model.calls == [["a", "b"]] * 3 + [HARMLESS] * 3 + [["a", "b"]]
    assert bench.first.breaker.state is CLOSED


def test_the_probes_of_an_outage_are_spaced_by_growing_waits() -> None:
    times: list[float] = []

    def serve(_texts: Sequence[str]) -> Exception | None:
        times.append(bench.clock())
        return DOWN if len(times) <= 5 else None

    bench = Lines(ScriptedModel(serve), failures=1)
    bench.judge("a")
    between = [later - earlier for earlier, later in pairwise(times[:6])]
    for wait, ceiling in zip(between, [0.5, 1.0, 2.0, 4.0, 8.0], strict=True):
        assert ceiling / 2 <= wait <= ceiling + 0.1


def test_the_state_tells_of_an_outage_and_of_its_end() -> None:
    seen: list[str | None] = []

    def serve(_texts: Sequence[str]) -> Exception | None:
        seen.append(bench.first.state.trouble())
        return DOWN if len(seen) == 1 else None

    bench = Lines(ScriptedModel(serve), failures=1)
    bench.judge("a")
    # the call, what the probe found, and the call after it
    assert seen == ["not reached yet", "EndpointUnavailable", None]
    assert bench.first.state.trouble() is None


def test_the_state_tells_that_the_endpoint_is_there_once_it_has_judged_the_harmless_text() -> None:
    bench = Lines(ScriptedModel(one_after_the_other(DOWN, REFUSED, None, REFUSED, None)), failures=3)
    assert bench.judge("a") == {"a": REFUSED}
    assert bench.first.state.trouble() is None


# a text that is refused


def test_the_one_refused_text_of_a_batch_is_found_and_the_others_are_judged() -> None:
    model = ScriptedModel(whenever("bad", REFUSED))
    bench = Lines(model)
    assert bench.judge("a", "bad", "bb") == {"a": judged("a"), "bad": REFUSED, "bb": judged("bb")}
    assert bench.waits == []
    assert bench.first.breaker.state is CLOSED


def test_a_text_is_blamed_only_after_a_harmless_one_was_judged() -> None:
    model = ScriptedModel(whenever("bad", REFUSED))
    assert Lines(model).judge("bad") == {"bad": REFUSED}
    assert model.calls == [["bad"], HARMLESS] * 2


def test_a_text_that_is_refused_once_and_then_judged_is_judged() -> None:
    model = ScriptedModel(one_after_the_other(REFUSED, None, None))
    told = Lines(model).judge("good")
    assert isinstance(told["good"], Judged)
    assert model.calls == [["good"], HARMLESS, ["good"]]


def test_a_refused_text_is_an_answer_and_so_is_a_batch_with_one() -> None:
    for texts, outcomes in ((["a"], [REFUSED, None]), (["a", "bb"], [REFUSED])):
        bench = Lines(ScriptedModel(one_after_the_other(DOWN, DOWN, *outcomes, DOWN, DOWN, None)), failures=3)
        told = states(bench)
        bench.judge(*texts)
        bench.judge("a")
        assert told == [CLOSED]


def test_while_everything_is_refused_nothing_is_called_refused() -> None:
    model = ScriptedModel(lambda _texts: ContentRefused("candidate_labels: too many"))
    bench = Lines(model)
    bench.stop_after(100)
    with pytest.raises(Stopping):
        bench.judge("a", "b")
    assert bench.first.breaker.state is OPEN
    assert bench.first.state.trouble() == "it refuses every text: candidate_labels: too many"
    assert model.calls[:2] == [["a", "b"], ["a"]]
    # nothing else is asked about from then on, and that seldom
    assert model.calls[2:] == [HARMLESS] * len(model.calls[2:])
    assert len(model.calls) < 10


def test_texts_that_were_refused_with_everything_else_are_judged_once_that_has_passed() -> None:
    # the batch, its first text, the harmless one, and that again by two probes
    bench = Lines(ScriptedModel(one_after_the_other(*[REFUSED] * 5, None)))
    told = states(bench)
    assert bench.judge("a", "bb") == {"a": judged("a"), "bb": judged("bb")}
    assert told == [CLOSED, OPEN, HALF_OPEN, OPEN, HALF_OPEN, OPEN, HALF_OPEN, CLOSED]


def test_an_outage_while_the_refused_text_is_looked_for_is_waited_out() -> None:
    bench = Lines(ScriptedModel(one_after_the_other(REFUSED, DOWN, DOWN, None)))
    assert bench.judge("a", "bb") == {"a": judged("a"), "bb": judged("bb")}


def test_a_refused_text_is_asked_about_again_if_the_breaker_has_opened_meanwhile() -> None:
    def serve(texts: Sequence[str]) -> Exception | None:
        if len(model.calls) == 1:
            permit = bench.first.breaker.permit_now()
            assert permit
            permit.failed(certain=True)
            return REFUSED
        return DOWN if len(model.calls) == 2 else REFUSED if "a" in texts else None

    model = ScriptedModel(serve)
    bench = Lines(model)
    assert bench.judge("a") == {"a": REFUSED}
    # only the last three have cleared the endpoint of refusing everything
    assert model.calls == [["a"], HARMLESS, HARMLESS, ["a"], HARMLESS, ["a"], HARMLESS]


def test_a_caller_that_finds_the_breaker_open_only_now_does_not_take_the_probers_turn() -> None:
    model = ScriptedModel()
    bench = Lines(model)
    slot = bench.first.limit.slot

    def opens_meanwhile(stopping: threading.Event, *, alone: bool) -> AbstractContextManager[Slot | None]:
        """By the time that there is room the breaker has opened, and its wait is over."""
        if not bench.waits:
            permit = bench.first.breaker.permit_now()
            assert permit
            permit.failed(certain=True)
            bench.waits.append(60.0)
        return slot(stopping, alone=alone)

    bench.first.limit.slot = opens_meanwhile  # type: ignore[method-assign, assignment]
    assert bench.judge("a") == {"a": judged("a")}
    assert model.calls == [HARMLESS, ["a"]]


# a stop, and new labels


@pytest.mark.parametrize("error", [DOWN, BUSY, FAILED], ids=["down", "busy", "failed"])
def test_a_stop_ends_the_wait(error: Exception) -> None:
    bench = Lines(ScriptedModel(lambda _texts: error))
    bench.stop_after(3)
    with pytest.raises(Stopping):
        bench.judge("a")


@pytest.mark.parametrize("error", [DOWN, BUSY, FAILED, REFUSED], ids=["down", "busy", "failed", "refused"])
def test_after_a_stop_no_text_is_blamed_and_no_further_call_is_begun(error: Exception) -> None:
    def serve(_texts: Sequence[str]) -> Exception:
        bench.stopping.set()
        return error

    model = ScriptedModel(serve)
    bench = Lines(model, stopping=threading.Event())
    with pytest.raises(Stopping):
        bench.judge("a", "b", "c")
    assert len(model.calls) == 1


def test_a_call_that_is_answered_after_the_stop_counts() -> None:
    def serve(_texts: Sequence[str]) -> None:
        bench.stopping.set()

    bench = Lines(ScriptedModel(serve), stopping=threading.Event())
    assert bench.judge("a") == {"a": judged("a")}


def test_labels_that_were_superseded_are_given_up_where_no_endpoint_is_up() -> None:
    model = ScriptedModel(lambda _texts: DOWN)
    bench = Lines(model, starts_open=True)
    bench.labels.supersede()
    with pytest.raises(Superseded):
        bench.judge("a")
    assert bench.first.breaker.state is OPEN
    assert ["a"] not in model.calls


def test_one_that_answers_is_asked_by_superseded_labels_to_the_end() -> None:
    bench = Lines(ScriptedModel(one_after_the_other(DOWN, None)))
    bench.labels.supersede()
    assert bench.judge("a") == {"a": judged("a")}


def test_what_was_answered_before_the_labels_were_superseded_stays_answered() -> None:
    bench = Lines(ScriptedModel(whenever("bad", REFUSED)))
    bench.stop_after(100)
    label_set = bench.labels.everything
    answers = bench.patience().judge(questions(label_set, "a", "bad"), label_set)
    assert [question.text for question in next(answers)[0]] == ["a"]
    permit = bench.first.breaker.permit_now()
    assert permit
    permit.failed(certain=True)
    bench.labels.supersede()
    with pytest.raises(Superseded):
        next(answers)
