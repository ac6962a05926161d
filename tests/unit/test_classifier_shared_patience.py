"""Callers that share a line: an outage is probed by one, a busy endpoint gets fewer calls at a time."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.cases import Judged
from classifier.endpoint_errors import ContentRefused, EndpointBusy, EndpointFailed, EndpointUnavailable
from classifier.patience import Stopping
from pipeline.breaker import BreakerState
from tests.support.classifier_parts import HARMLESS, Lines, ScriptedModel, score, whenever
from tests.support.polling import wait_until

CLOSED = BreakerState.CLOSED
DOWN = EndpointUnavailable("503: down")
BUSY = EndpointBusy("ThrottlingException: Rate exceeded")
REFUSED = ContentRefused("not this")


def started(*work: Callable[[], Any]) -> list[threading.Thread]:
    threads = [threading.Thread(target=each, daemon=True) for each in work]
    for thread in threads:
        thread.start()
    return threads


def ended(threads: Sequence[threading.Thread], what: str) -> None:
    wait_until(lambda: not any(thread.is_alive() for thread in threads), what)


def test_an_answer_to_another_caller_keeps_the_breaker_closed() -> None:
    bench = Lines(ScriptedModel(whenever("poison", EndpointUnavailable("500: by this text"))), failures=3)
    told: list[BreakerState] = []
    bench.first.breaker.listen(told.append)
    one, other = bench.patience(), bench.patience()
    for _ in range(10):
        bench.stop_after(1)
        try:
            bench.judge("poison", patience=one)
        except Stopping:
            bench.stop_after(100)
        assert bench.judge("a", patience=other) == {"a": Judged([score("a")], "minilm")}
    assert told == [CLOSED]


def test_a_text_refused_while_everything_was_is_not_blamed_by_an_endpoint_set_right_since() -> None:
    """Two callers are refused; by the time that the second can ask for the reason, the endpoint has been set right."""
    is_right = threading.Event()
    second_refused = threading.Event()

    def serve(texts: Sequence[str]) -> Exception | None:
        if list(texts) == ["second"] and not is_right.is_set():
            # the first caller finds out meanwhile that everything is refused
            wait_until(lambda: bench.first.breaker.state is not CLOSED, "the breaker to open")
            second_refused.set()
            return REFUSED
        return None if is_right.is_set() else REFUSED

    model = ScriptedModel(serve)
    bench = Lines(model, stopping=threading.Event(), wait=0.01)
    bench.start_probers()
    results: dict[str, Any] = {}
    second = started(lambda: results.update(bench.judge("second")))
    wait_until(lambda: model.under_way == 1, "the second's call to be under way")
    first = started(lambda: results.update(bench.judge("first")))
    assert second_refused.wait(10)
    is_right.set()
    ended([*first, *second], "both to be judged")
    bench.stopping.set()
    assert results == {text: Judged([score(text)], "minilm") for text in ("first", "second")}


def test_in_an_outage_only_one_asks_and_about_the_harmless_text_alone() -> None:
    is_down = threading.Event()
    is_down.set()
    model = ScriptedModel(lambda _texts: DOWN if is_down.is_set() else None)
    bench = Lines(model, failures=2, most=4, wait=0.001, stopping=threading.Event())
    bench.start_probers()
    results: dict[str, Any] = {}

    def work(text: str) -> Callable[[], None]:
        return lambda: results.update(bench.judge(text))

    threads = started(*(work(f"text {number}") for number in range(4)))
    wait_until(lambda: model.calls[-5:] == [HARMLESS] * 5, "the probes")
    calls = len(model.calls)
    model.most_under_way = 0
    wait_until(lambda: len(model.calls) >= calls + 5, "more probes")
    assert model.calls[calls : calls + 5] == [HARMLESS] * 5
    assert model.most_under_way == 1
    is_down.clear()
    ended(threads, "everything to be judged")
    bench.stopping.set()
    assert len(results) == 4


def test_a_stop_ends_the_wait_of_all_at_once() -> None:
    bench = Lines(ScriptedModel(lambda _texts: DOWN), failures=1, wait=3600.0, stopping=threading.Event())
    probers = bench.start_probers()
    stopped: list[str] = []

    def judge() -> None:
        try:
            bench.judge("a")
        except Stopping:
            stopped.append("stopped")

    threads = started(*[judge] * 6)
    wait_until(lambda: bench.first.breaker.state is not CLOSED, "the breaker to open")
    bench.stopping.set()
    ended([*threads, *probers], "all callers and the prober to stop")
    assert len(stopped) == 6


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    outage=st.integers(0, 20),
    bears=st.integers(1, 6),
    failures=st.integers(1, 4),
)
def test_through_any_outage_all_is_judged_and_an_open_breaker_lets_only_the_prober_through(
    seed: int, outage: int, bears: int, failures: int
) -> None:
    # waits that only look again, so that the examples take no time
    with (
        patch("classifier.patience._LOOK_AGAIN", 0.001),
        patch("classifier.line._LOOK_AGAIN", 0.001),
        patch("pipeline.adaptive_limit._LOOK_AGAIN", 0.001),
    ):
        judge_through(seed, outage, bears, failures)


def judge_through(seed: int, outage: int, bears: int, failures: int) -> None:
    """Four callers with four batches each, the endpoint down for a while, and never able to bear more than so much."""
    rng = random.Random(seed)
    lock = threading.Lock()
    calls = opening = 0
    now = (CLOSED, opening)
    late_calls: list[tuple[int, int]] = []

    def note(state: BreakerState) -> None:
        nonlocal opening, now
        opening += now[0] is CLOSED
        now = (state, opening)

    def serve(texts: Sequence[str]) -> Exception | None:
        nonlocal calls
        state, number = now
        with lock:
            calls += 1
            is_down = calls in range(5, 5 + outage)
            is_busy = model.under_way > bears
            if state is not CLOSED and list(texts) != HARMLESS:
                late_calls.append((number, threading.get_ident()))
        if is_down:
            return DOWN
        if is_busy:
            return BUSY
        if "poison" in texts:
            return EndpointFailed("the model answered 500")
        return REFUSED if "bad" in texts else None

    model = ScriptedModel(serve)
    bench = Lines(model, failures=failures, most=4, wait=0.0002, stopping=threading.Event())
    bench.first.breaker.listen(note)
    probers = bench.start_probers()
    results: dict[int, Any] = {}
    batches = [
        [rng.sample(["a", "bb", "bad", "ccc", "poison"], rng.randrange(1, 5)) for _ in range(4)] for _ in range(4)
    ]

    def work(number: int) -> Callable[[], None]:
        def judge_all() -> None:
            patience = bench.patience()
            results[number] = [bench.judge(*batch, patience=patience) for batch in batches[number]]

        return judge_all

    threads = started(*(work(number) for number in range(4)))
    ended(threads, "everything to be judged")
    bench.stopping.set()
    for number, judged in results.items():
        for batch, told in zip(batches[number], judged, strict=True):
            assert sorted(told) == sorted(batch)
            for text, answer in told.items():
                if text in ("bad", "poison"):
                    assert isinstance(answer, ContentRefused)
                else:
                    assert answer == Judged([score(text)], "minilm")
    # a caller that had its permit before may begin one call when the breaker has opened, and none after that
    assert len(late_calls) == len(set(late_calls))
    assert model.most_under_way <= 5, "four callers and the prober"
    assert bench.first.limit.under_way == 0
    ended(probers, "the prober to end")
