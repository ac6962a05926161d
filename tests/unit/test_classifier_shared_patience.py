"""Workers that share breaker and limit: an outage is probed by one, a busy endpoint gets fewer calls at a time."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from classifier.endpoint import ContentRefused, EndpointBusy, EndpointUnavailable, ModelEndpoint, Scores
from classifier.intake import pause_while_open
from classifier.metrics import Metrics
from classifier.patient_endpoint import PatientEndpoint, Stopping, Superseded
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker, BreakerState
from pipeline.connection_state import ConnectionState
from tests.support.polling import wait_until
from tests.support.recorded_stop import RecordedStop

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
HARMLESS = ["Good morning."]
DOWN = EndpointUnavailable("503: down")
BUSY = EndpointBusy("ThrottlingException: Rate exceeded")
REFUSED = ContentRefused("not this")

Serve = Callable[[Sequence[str]], Exception | None]


class Server(ModelEndpoint):
    """Serves by a function, and keeps books of its own: what was asked, and how much at a time."""

    def __init__(self, serve: Serve = lambda _texts: None) -> None:
        self.serve = serve
        self.calls: list[list[str]] = []
        self.under_way = 0
        self.most_under_way = 0
        self._lock = threading.Lock()

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        with self._lock:
            self.calls.append(list(texts))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            error = self.serve(texts)
        finally:
            with self._lock:
                self.under_way -= 1
        if error:
            raise error
        return [{"quake": len(text) / 100} for text in texts]


class Bench:
    """Workers' ways to one server. With a RecordedStop only waits move the clock, and they last no time."""

    def __init__(
        self,
        server: Server,
        *,
        failures: int = 3,
        workers: int = 4,
        wait: float = 0.5,
        stopping: threading.Event | None = None,
        starts_open: bool = False,
    ) -> None:
        self.server = server
        self.stopping = stopping or RecordedStop(ends_after=1000)
        self._rng = random.Random(1)
        self._wait = wait
        self.breaker = Breaker(failures, self._backoff(), self._clock, starts_open=starts_open)
        self.limit = AdaptiveLimit(1, workers)
        self.state = ConnectionState("model endpoint")

    def worker(self) -> PatientEndpoint:
        return PatientEndpoint(self.server, self.breaker, self.limit, self._backoff(), self.state, self.stopping)

    @property
    def waits(self) -> list[float]:
        assert isinstance(self.stopping, RecordedStop)
        return self.stopping.waits

    def _backoff(self) -> Backoff:
        return Backoff(self._wait, 60 * self._wait, self._rng)

    def _clock(self) -> float:
        return sum(self.waits) if isinstance(self.stopping, RecordedStop) else time.monotonic()


def one_after_the_other(*outcomes: Exception | None) -> Serve:
    """The outcome of each call; of all further ones the last."""
    left = list(outcomes)
    return lambda _texts: left.pop(0) if len(left) > 1 else left[0]


def test_failures_below_the_breakers_number_are_spaced_by_the_workers_own_waits() -> None:
    bench = Bench(Server(one_after_the_other(DOWN, DOWN, None)), failures=3)
    assert bench.worker().judge(["a"]) == [{"quake": 0.01}]
    assert bench.server.calls == [["a"]] * 3
    assert bench.breaker.state is CLOSED
    for wait, ceiling in zip(bench.waits, [0.5, 1.0], strict=True):
        assert ceiling / 2 <= wait <= ceiling


def test_once_it_is_open_the_harmless_text_is_asked_about_until_that_is_judged() -> None:
    bench = Bench(Server(one_after_the_other(*[DOWN] * 5, None)), failures=3)
    assert bench.worker().judge(["a", "b"]) == [{"quake": 0.01}, {"quake": 0.01}]
    assert bench.server.calls == [["a", "b"]] * 3 + [HARMLESS] * 3 + [["a", "b"]]
    assert bench.breaker.state is CLOSED


def test_after_an_answer_the_workers_own_waits_start_over() -> None:
    bench = Bench(Server(one_after_the_other(DOWN, DOWN, None, DOWN, None)), failures=3)
    worker = bench.worker()
    worker.judge(["a"])
    worker.judge(["a"])
    assert len(bench.waits) == 3
    assert bench.waits[-1] <= 0.5


def test_an_answer_to_another_worker_keeps_it_closed() -> None:
    bad = EndpointUnavailable("500: it crashes by this text")
    bench = Bench(Server(lambda texts: bad if "poison" in texts else None), failures=3)
    one, other = bench.worker(), bench.worker()
    told: list[BreakerState] = []
    bench.breaker.listen(told.append)

    def stop_after(waits: int) -> None:
        bench.stopping = one._stopping = RecordedStop(ends_after=waits)

    for _ in range(10):
        stop_after(1)
        with pytest.raises(Stopping):
            one.judge(["poison"])
        assert other.judge(["a"]) == [{"quake": 0.01}]
    assert told == [CLOSED]


def test_a_refused_text_is_an_answer() -> None:
    bench = Bench(Server(one_after_the_other(DOWN, REFUSED, None, DOWN, DOWN, None)), failures=3)
    assert bench.worker().judge(["a"]) == [REFUSED]
    assert bench.worker().judge(["a"]) == [{"quake": 0.01}]
    assert bench.breaker.state is CLOSED
    assert bench.server.calls == [["a"], ["a"], HARMLESS] + [["a"]] * 3


def test_a_batch_with_a_refused_text_is_an_answer_too() -> None:
    bench = Bench(Server(one_after_the_other(DOWN, DOWN, REFUSED, DOWN, DOWN, None)), failures=3)
    told: list[BreakerState] = []
    bench.breaker.listen(told.append)
    assert bench.worker().judge(["a", "bb"]) == [{"quake": 0.01}, {"quake": 0.02}]
    assert told == [CLOSED]


def test_a_refused_text_is_asked_about_again_if_the_breaker_has_opened_meanwhile() -> None:
    def serve(texts: Sequence[str]) -> Exception | None:
        if len(bench.server.calls) == 1:
            permit = bench.breaker.permit_now()
            assert permit
            permit.failed(certain=True)
        return REFUSED if "a" in texts else None

    bench = Bench(Server(serve))
    assert bench.worker().judge(["a"]) == [REFUSED]
    # the second is the probe; only the last has cleared the endpoint of refusing everything
    assert bench.server.calls == [["a"], HARMLESS, ["a"], HARMLESS]


def test_a_stop_right_after_a_refusal_blames_no_text_and_asks_nothing_more() -> None:
    def serve(_texts: Sequence[str]) -> Exception | None:
        bench.stopping.set()
        return REFUSED

    bench = Bench(Server(serve))
    with pytest.raises(Stopping):
        bench.worker().judge(["a"])
    assert bench.server.calls == [["a"]]


def test_an_endpoint_that_refuses_everything_opens_at_once() -> None:
    bench = Bench(Server(one_after_the_other(REFUSED, REFUSED, REFUSED, None)), failures=3)
    told: list[BreakerState] = []
    bench.breaker.listen(told.append)
    assert bench.worker().judge(["a"]) == [{"quake": 0.01}]
    assert told == [CLOSED, OPEN, HALF_OPEN, OPEN, HALF_OPEN, CLOSED]
    assert bench.server.calls == [["a"], HARMLESS, HARMLESS, HARMLESS, ["a"]]


def test_a_text_refused_while_everything_was_is_not_blamed_by_an_endpoint_set_right_since() -> None:
    """Two workers are refused; by the time that the second can ask for the reason, the endpoint has been set right."""
    is_right = threading.Event()
    second_refused = threading.Event()

    def serve(texts: Sequence[str]) -> Exception | None:
        if list(texts) == ["second"] and not is_right.is_set():
            # the first worker finds out meanwhile that everything is refused
            assert wait_for_open(bench)
            second_refused.set()
            return REFUSED
        return None if is_right.is_set() else REFUSED

    bench = Bench(Server(serve), stopping=threading.Event(), wait=0.01)
    results: dict[str, Any] = {}

    def judge(text: str) -> None:
        results[text] = bench.worker().judge([text])

    threads = [threading.Thread(target=judge, args=(text,), daemon=True) for text in ("second", "first")]
    threads[0].start()
    wait_until(lambda: bench.server.under_way == 1, "the second's call to be under way")
    threads[1].start()
    assert second_refused.wait(10)
    is_right.set()
    for thread in threads:
        thread.join(10)
    assert results == {"first": [{"quake": 0.05}], "second": [{"quake": 0.06}]}


def wait_for_open(bench: Bench) -> bool:
    wait_until(lambda: bench.breaker.state is not CLOSED, "the breaker to open")
    return True


@pytest.mark.parametrize(("error", "limit"), [(BUSY, 2), (DOWN, 4)], ids=["busy", "down"])
def test_only_what_is_busy_gets_fewer_calls_at_a_time(error: Exception, limit: int) -> None:
    seen: list[int] = []

    def serve(_texts: Sequence[str]) -> Exception | None:
        seen.append(bench.limit.limit)
        return error if len(seen) == 1 else None

    bench = Bench(Server(serve))
    bench.worker().judge(["a"])
    assert seen == [4, limit]


def test_a_busy_endpoint_is_no_outage_as_long_as_it_can_be_asked_less() -> None:
    bench = Bench(Server(one_after_the_other(BUSY, BUSY, None)), failures=1, workers=4)
    bench.worker().judge(["a"])
    assert bench.server.calls == [["a"]] * 3
    assert (bench.breaker.state, bench.limit.limit) == (CLOSED, 2)


def test_one_that_is_busy_with_a_single_call_is() -> None:
    bench = Bench(Server(one_after_the_other(BUSY, BUSY, BUSY, BUSY, None)), failures=1, workers=4)
    bench.worker().judge(["a"])
    # down to one call by two answers; the third opens, and the fourth is a probe's
    assert bench.server.calls == [["a"]] * 3 + [HARMLESS] * 2 + [["a"]]


def test_a_start_lets_one_worker_ask_and_the_others_follow() -> None:
    bench = Bench(Server(one_after_the_other(DOWN, DOWN, None)), starts_open=True)
    bench.worker().wait_until_it_answers()
    bench.worker().wait_until_it_answers()
    assert bench.server.calls == [HARMLESS] * 3
    assert bench.breaker.state is CLOSED
    assert bench.state.trouble() is None


def test_a_stop_ends_the_wait_of_all_at_once() -> None:
    bench = Bench(Server(lambda _texts: DOWN), failures=1, wait=3600.0, stopping=threading.Event())
    stopped: list[int] = []

    def judge(number: int) -> None:
        with pytest.raises(Stopping):
            bench.worker().judge(["a"])
        stopped.append(number)

    threads = [threading.Thread(target=judge, args=(number,), daemon=True) for number in range(6)]
    for thread in threads:
        thread.start()
    wait_for_open(bench)
    bench.stopping.set()
    wait_until(lambda: len(stopped) == 6, "all workers to stop")


def test_one_that_is_superseded_gives_up_at_its_next_failure() -> None:
    bench = Bench(Server(lambda _texts: DOWN), failures=3)
    worker = bench.worker()
    worker.supersede()
    with pytest.raises(Superseded):
        worker.judge(["a"])
    assert bench.server.calls == [["a"]]


def test_one_that_is_superseded_while_the_breaker_is_open_leaves_the_probe_to_its_successor() -> None:
    bench = Bench(Server(), starts_open=True)
    old, new = bench.worker(), bench.worker()
    old.supersede()
    with pytest.raises(Superseded):
        old.judge(["a"])
    assert (bench.breaker.state, bench.server.calls) == (OPEN, [])
    assert new.judge(["a"]) == [{"quake": 0.01}]
    assert bench.server.calls == [HARMLESS, ["a"]]


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**32),
    outage=st.integers(0, 20),
    bears=st.integers(1, 6),
    failures=st.integers(1, 4),
)
def test_through_any_outage_all_is_judged_and_an_open_breaker_lets_only_the_probe_through(
    seed: int, outage: int, bears: int, failures: int
) -> None:
    rng = random.Random(seed)
    lock = threading.Lock()
    calls = 0
    opening = 0
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
            is_busy = bench.server.under_way > bears
            if state is not CLOSED and list(texts) != HARMLESS:
                late_calls.append((number, threading.get_ident()))
        if is_down:
            return DOWN
        if is_busy:
            return BUSY
        return REFUSED if "bad" in texts else None

    bench = Bench(Server(serve), failures=failures, workers=4, wait=0.0002, stopping=threading.Event())
    bench.breaker.listen(note)
    results: dict[int, Any] = {}

    def work(number: int) -> None:
        worker = bench.worker()
        results[number] = [worker.judge(batch) for batch in batches[number]]

    batches = [
        [[rng.choice(["a", "bb", "bad", "ccc"]) for _ in range(rng.randrange(1, 4))] for _ in range(4)]
        for _ in range(4)
    ]
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: not any(thread.is_alive() for thread in threads), "everything to be judged")
    for number, judged in results.items():
        for batch, answers in zip(batches[number], judged, strict=True):
            assert answers == [REFUSED if text == "bad" else {"quake": len(text) / 100} for text in batch]
    # a worker that had its permit before may begin one call when it has opened, and none after that
    assert len(late_calls) == len(set(late_calls))
    assert bench.server.most_under_way <= 4
    assert bench.limit.under_way == 0


class FakeReader:
    def __init__(self) -> None:
        self.said: list[str] = []

    def pause(self) -> None:
        self.said.append("pause")

    def resume(self) -> None:
        self.said.append("resume")


def test_the_reader_is_paused_from_the_opening_until_a_probe_has_succeeded() -> None:
    reader = FakeReader()
    paused_at: list[tuple[str, str]] = []

    def serve(texts: Sequence[str]) -> Exception | None:
        paused_at.append((texts[0], reader.said[-1]))
        return DOWN if len(paused_at) in (2, 3, 4) else None

    bench = Bench(Server(serve), failures=1, starts_open=True)
    pause_while_open(bench.breaker, reader)
    worker = bench.worker()
    worker.wait_until_it_answers()
    worker.judge(["a"])
    assert paused_at == [
        (*HARMLESS, "pause"),
        ("a", "resume"),
        (*HARMLESS, "pause"),
        (*HARMLESS, "pause"),
        (*HARMLESS, "pause"),
        ("a", "resume"),
    ]


def test_metrics_show_the_breakers_state_and_the_limit() -> None:
    registry = CollectorRegistry()
    bench = Bench(Server(one_after_the_other(BUSY, DOWN, None)), failures=1)
    seen: list[tuple[list[float | None], float | None]] = []

    def look() -> None:
        states = [
            registry.get_sample_value("classifier_endpoint_breaker", {"state": state})
            for state in ("closed", "open", "half-open")
        ]
        seen.append((states, registry.get_sample_value("classifier_endpoint_calls_limit")))

    Metrics(registry).follow(bench.breaker, bench.limit)
    look()
    bench.breaker.listen(lambda _state: look())
    bench.worker().judge(["a"])
    look()
    assert seen == [
        ([1, 0, 0], 4),
        ([1, 0, 0], 4),
        ([0, 1, 0], 2),
        ([0, 0, 1], 2),
        ([1, 0, 0], 2),
        ([1, 0, 0], 2),
    ]
