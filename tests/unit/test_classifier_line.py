"""The line to one endpoint: its prober, and what the metrics show of it."""

import threading
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from classifier.endpoint_errors import (
    ContentRefused,
    EndpointBusy,
    EndpointFailed,
    EndpointTooSlow,
    EndpointUnavailable,
)
from classifier.line import EverythingRefused, Line
from classifier.metrics import Metrics
from pipeline.breaker import BreakerState
from tests.support.classifier_parts import HARMLESS, Lines, ScriptedModel, labels_of, one_after_the_other, value
from tests.support.polling import wait_until

CLOSED, OPEN = BreakerState.CLOSED, BreakerState.OPEN
DOWN = EndpointUnavailable("503: down")


def test_a_probe_asks_about_the_harmless_text_by_the_labels_that_it_is_given() -> None:
    model = ScriptedModel()
    line = Lines(model).first
    labels = labels_of({"name": "fire"})
    line.probe(labels.everything)
    assert (model.calls, model.label_sets) == ([HARMLESS], [labels.everything])


def test_one_that_refuses_even_that_is_no_fault_of_the_posts() -> None:
    model = ScriptedModel(lambda _texts: ContentRefused("candidate_labels: too many"))
    with pytest.raises(EverythingRefused, match=r"^it refuses every text: candidate_labels: too many$"):
        Lines(model).first.probe(labels_of().everything)
    # it may be the examples that it refuses, after another model was put in place of one that read them
    assert model.has_forgotten == 1


@pytest.mark.parametrize(
    ("error", "forgets"),
    [(DOWN, 0), (EndpointBusy("429"), 0), (EndpointFailed("500"), 1), (EndpointTooSlow("20 s"), 1)],
)
def test_a_probe_that_fails_is_what_it_is(error: EndpointUnavailable, forgets: int) -> None:
    model = ScriptedModel(lambda _texts: error)
    with pytest.raises(EndpointUnavailable) as caught:
        Lines(model).first.probe(labels_of().everything)
    assert caught.value is error
    # the model may fail at the examples alone, as it may refuse them
    assert model.has_forgotten == forgets


def probed(line: Line, bench: Lines) -> threading.Thread:
    (thread,) = bench.start_probers()
    wait_until(lambda: line.is_up, "the prober to find it up")
    return thread


def test_at_the_start_it_is_down_until_the_prober_has_seen_it_answer() -> None:
    model = ScriptedModel(one_after_the_other(DOWN, ContentRefused("no"), None))
    bench = Lines(model, starts_open=True, wait=0.001, stopping=threading.Event())
    assert not bench.first.is_up
    assert bench.first.state.trouble() == "not reached yet"
    thread = probed(bench.first, bench)
    assert model.calls == [HARMLESS] * 3
    assert bench.first.state.trouble() is None
    bench.stopping.set()
    thread.join(10.0)
    assert not thread.is_alive()


def test_while_it_is_up_nothing_is_probed_and_when_it_opens_the_prober_is_there() -> None:
    model = ScriptedModel()
    bench = Lines(model, starts_open=True, wait=0.001, stopping=threading.Event())
    probed(bench.first, bench)
    for _ in range(3):
        calls = len(model.calls)
        permit = bench.first.breaker.permit_now()
        assert permit
        assert not permit.is_probe
        permit.failed(certain=True)
        wait_until(lambda: bench.first.is_up, "the prober to find it up")
        assert len(model.calls) == calls + 1
        # or the prober would turn round and round
        wait_until(lambda: not bench.first._may_be_open.is_set(), "the prober to rest")
    bench.stopping.set()


def test_the_prober_asks_by_the_labels_in_force_at_the_time() -> None:
    """As where a configuration was refused and the next one is right."""
    wrong, right = labels_of({"name": "wrong"}), labels_of({"name": "right"})

    def serve(_texts: Sequence[str]) -> Exception | None:
        return ContentRefused("candidate_labels") if model.label_sets[-1] is wrong.everything else None

    model = ScriptedModel(serve)
    bench = Lines(model, starts_open=True, wait=0.001, stopping=threading.Event())
    bench.labels = wrong
    bench.start_probers()
    wait_until(lambda: len(model.calls) > 3, "some probes")
    assert not bench.first.is_up
    bench.labels = right
    wait_until(lambda: bench.first.is_up, "the prober to find it up")
    bench.stopping.set()


def test_a_stop_ends_a_prober_that_waits() -> None:
    bench = Lines(ScriptedModel(lambda _texts: DOWN), starts_open=True, wait=3600.0, stopping=threading.Event())
    threads = bench.start_probers()
    wait_until(lambda: bench.first.state.trouble() == "503: down", "the first probe")
    bench.stopping.set()
    for thread in threads:
        thread.join(10.0)
    assert not any(thread.is_alive() for thread in threads)


def test_metrics_show_each_endpoints_breaker_and_limit() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    busy = EndpointBusy("ThrottlingException")
    bench = Lines(
        ScriptedModel(one_after_the_other(busy, DOWN, None), "one"),
        ScriptedModel(name="two"),
        failures=1,
        starts_open=True,
    )
    for line in bench.lines:
        metrics.follow(line.endpoint.name, line.breaker, line.limit)

    def states(name: str) -> list[float]:
        states = ("closed", "open", "half-open")
        return [value(registry, "classifier_endpoint_breaker", endpoint=name, state=state) for state in states]

    def limit(name: str) -> float:
        return value(registry, "classifier_endpoint_calls_limit", endpoint=name)

    assert (states("one"), limit("one")) == ([0, 1, 0], 4)
    seen: list[list[float]] = []
    bench.lines[1].breaker.listen(lambda _state: seen.append(states("two")))
    bench.stopping.wait(0.0)  # a step of the probers: the first is busy, the second answers
    assert (states("one"), states("two")) == ([0, 1, 0], [1, 0, 0])
    assert seen == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    bench.judge("a")
    assert states("two") == [1, 0, 0]
