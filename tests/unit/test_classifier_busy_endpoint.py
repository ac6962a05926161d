"""An endpoint that has too much to do, or is too slow: it gets fewer calls at a time, or smaller ones."""

from collections.abc import Sequence

import pytest

from classifier.endpoint_errors import EndpointBusy, EndpointFailed, EndpointTooSlow, EndpointUnavailable
from pipeline.breaker import BreakerState
from tests.support.classifier_parts import HARMLESS, Lines, ScriptedModel, one_after_the_other

BUSY = EndpointBusy("ThrottlingException: Rate exceeded")
DOWN = EndpointUnavailable("503: down")
FAILED = EndpointFailed("the model answered 500")


@pytest.mark.parametrize(("error", "limit"), [(BUSY, 2), (DOWN, 4), (FAILED, 4)], ids=["busy", "down", "failed"])
def test_only_what_is_busy_gets_fewer_calls_at_a_time(error: Exception, limit: int) -> None:
    bench = Lines(ScriptedModel(one_after_the_other(error, None)))
    bench.judge("a")
    assert bench.first.limit.limit == limit


def test_a_busy_endpoint_is_no_outage_as_long_as_it_can_be_asked_less() -> None:
    model = ScriptedModel(one_after_the_other(BUSY, BUSY, None))
    bench = Lines(model, failures=1, most=4)
    told: list[BreakerState] = []
    bench.first.breaker.listen(told.append)
    bench.judge("a")
    assert model.calls == [["a"]] * 3
    assert told == [BreakerState.CLOSED]


def test_one_that_is_busy_with_a_single_call_is() -> None:
    model = ScriptedModel(one_after_the_other(BUSY, BUSY, BUSY, BUSY, None))
    Lines(model, failures=1, most=4).judge("a")
    # down to one call by two answers; the third opens, and the fourth is a probe's
    assert model.calls == [["a"]] * 3 + [HARMLESS] * 2 + [["a"]]


def test_calls_that_are_answered_in_time_let_the_batches_grow_and_one_that_is_not_makes_them_smaller() -> None:
    model = ScriptedModel()
    bench = Lines(model)
    for _ in range(3):
        bench.judge(*(f"text {number}" for number in range(bench.size.texts)))
    assert bench.size.texts == 32
    seen: list[int] = []

    def serve(texts: Sequence[str]) -> Exception | None:
        seen.append(bench.size.texts)
        return EndpointTooSlow("read time-out") if len(texts) == 32 else None

    model.serve = serve
    assert len(bench.judge(*(f"text {number}" for number in range(32)))) == 32
    # the call itself, and the harmless text after it
    assert seen[:2] == [32, 16]
