"""A text that makes the model fail: found alone, in few calls, and the others need not wait for it."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.cases import Judged
from classifier.endpoint_errors import (
    ContentRefused,
    EndpointFailed,
    EndpointTooSlow,
    EndpointUnavailable,
)
from pipeline.breaker import BreakerState
from tests.support.classifier_parts import HARMLESS, Lines, ScriptedModel, one_after_the_other, questions, whenever

TEXTS = [f"text number {number:02}" for number in range(32)]
REFUSED = ContentRefused("not this")
#: What a poisonous text does, by what the endpoint says, and the calls beyond halving that it takes to be sure.
KINDS = {
    "400": (REFUSED, 1),
    "500": (EndpointFailed("the model answered 500: out of memory"), 5),
    "NaN": (EndpointFailed("an answer that is not of the zero-shot shape"), 5),
    "cut": (EndpointFailed("Connection was closed before we received a valid response"), 5),
    "hangs": (EndpointTooSlow("Read timeout on endpoint"), 2),
}


def refusals(told: dict[str, Judged | ContentRefused]) -> list[str]:
    return [text for text, answer in told.items() if isinstance(answer, ContentRefused)]


@pytest.mark.parametrize("place", [0, 13, 31])
@pytest.mark.parametrize(("error", "more"), KINDS.values(), ids=KINDS)
def test_it_is_found_alone_in_32_texts_in_few_calls(error: Exception, more: int, place: int) -> None:
    model = ScriptedModel(whenever(TEXTS[place], error))
    bench = Lines(model)
    told = bench.judge(*TEXTS)
    assert sorted(told) == TEXTS
    assert refusals(told) == [TEXTS[place]]
    # 32, 16, 8, 4, 2 and 1 with it, and each other half of these
    assert len([texts for texts in model.calls if texts != HARMLESS]) == 11 + more
    assert bench.first.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize(("error", "more"), KINDS.values(), ids=KINDS)
def test_the_others_are_answered_before_anybody_waits_for_it(error: Exception, more: int) -> None:
    bench = Lines(ScriptedModel(whenever(TEXTS[0], error)))
    label_set = bench.labels.everything
    before_a_wait: list[str] = []
    for asked, _answers in bench.patience().judge(questions(label_set, *TEXTS), label_set):
        if not bench.waits:
            before_a_wait += [question.text for question in asked]
    assert set(before_a_wait) >= set(TEXTS[1:])
    # what is refused is asked about again at once
    assert bool(bench.waits) is (error is not REFUSED)


def test_why_it_went_to_the_dead_letters_is_told() -> None:
    told = Lines(ScriptedModel(whenever("bad", KINDS["500"][0]))).judge("good", "bad")
    assert str(told["bad"]) == ("the model fails at it again and again: the model answered 500: out of memory")


def test_its_tries_are_spaced() -> None:
    bench = Lines(ScriptedModel(whenever("bad", KINDS["500"][0])))
    bench.judge("bad")
    assert len(bench.waits) == 5
    for wait, ceiling in zip(bench.waits, [0.5, 1.0, 2.0, 2.0, 2.0], strict=True):
        assert ceiling / 2 <= wait <= ceiling


def test_several_are_tried_in_turn_so_that_they_wait_together() -> None:
    bad = {TEXTS[3], TEXTS[17], TEXTS[31]}
    bench = Lines(ScriptedModel(lambda texts: KINDS["500"][0] if bad & set(texts) else None))
    told = bench.judge(*TEXTS)
    assert set(refusals(told)) == bad
    assert len(bench.waits) == 5


@pytest.mark.parametrize("failures", range(1, 6))
def test_a_model_that_fails_for_a_moment_costs_no_post(failures: int) -> None:
    def serve(texts: Sequence[str]) -> Exception | None:
        if texts == HARMLESS or not left:
            return None
        return left.pop()

    left = [KINDS["500"][0]] * failures
    assert refusals(Lines(ScriptedModel(serve)).judge("a", "b", "c", "d")) == []


def test_one_that_was_down_when_its_text_failed_is_not_blamed_on_the_text_at_once() -> None:
    # the batch and the probe after it, twice; then all is well
    model = ScriptedModel(one_after_the_other(*[KINDS["500"][0]] * 4, None))
    assert refusals(Lines(model).judge("a", "b")) == []


def test_a_text_that_takes_the_endpoint_down_each_time_is_found_too() -> None:
    """As one that has the container killed: the harmless text fails after it, until the container is there again."""
    down_for = 0

    def serve(texts: Sequence[str]) -> Exception | None:
        nonlocal down_for
        if "bad" in texts:
            down_for = 2
            return KINDS["cut"][0]
        if down_for:
            down_for -= 1
            return EndpointUnavailable("Could not connect to the endpoint URL")
        return None

    model = ScriptedModel(serve)
    told = Lines(model).judge("a", "bad", "b", "c")
    assert refusals(told) == ["bad"]
    assert model.calls.count(["bad"]) == 12


@pytest.mark.parametrize("times", [6, 11])
def test_an_endpoint_that_keeps_going_down_by_itself_is_not_blamed_on_the_text_that_was_asked_about(times: int) -> None:
    falls = 0
    is_down = False

    def serve(texts: Sequence[str]) -> Exception | None:
        nonlocal falls, is_down
        if texts == HARMLESS:
            # only the one right after the text fails, and then the prober finds it up again
            was_down, is_down = is_down, False
            return KINDS["cut"][0] if was_down else None
        is_down = falls < times
        falls += 1
        return KINDS["cut"][0] if is_down else None

    assert refusals(Lines(ScriptedModel(serve)).judge("a")) == []
    assert falls == times + 1


def test_an_outage_that_is_nobodys_fault_is_never_blamed_on_a_text_however_long() -> None:
    outage = [EndpointUnavailable("Could not connect to the endpoint URL")] * 60
    assert refusals(Lines(ScriptedModel(one_after_the_other(*outage, None)), wait=0.01).judge("a")) == []


@settings(deadline=None, max_examples=100)
@given(
    bad=st.dictionaries(st.integers(0, 31), st.sampled_from(sorted(KINDS)), max_size=5),
    outage=st.lists(st.sampled_from([None, EndpointUnavailable("down")]), max_size=12),
)
def test_whatever_is_wrong_with_which_texts_each_is_answered_once_and_those_alone_are_blamed(
    bad: dict[int, str], outage: list[Exception | None]
) -> None:
    errors = {TEXTS[place]: KINDS[kind][0] for place, kind in bad.items()}

    def serve(texts: Sequence[str]) -> Exception | None:
        if left and (error := left.pop()):
            return error
        return next((errors[text] for text in texts if text in errors), None)

    left = list(outage)
    told = Lines(ScriptedModel(serve)).judge(*TEXTS)
    assert sorted(told) == TEXTS
    assert set(refusals(told)) == set(errors)
