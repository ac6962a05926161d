"""classifier as a real process with a second endpoint behind the first, under load."""

from collections import Counter
from pathlib import Path

from tests.support.classifier_process import HARMLESS, ClassifierProcess, numbered
from tests.support.endpoint_stand_in import Call, Cut, EndpointStandIn, Outcome, model_error

FIRST, SECOND = "minilm", "spare"
MODELS = {"MODEL_NAME": "first-model", "FALLBACK_ENDPOINT_NAME": SECOND, "FALLBACK_MODEL_NAME": "second-model"}
#: What one receive that is under way when the reader is paused may still bring.
ONE_RECEIVE = 10


def down(*names: str) -> dict[str, Outcome]:
    """500 by the one, a cut by the other."""
    return {name: model_error(500) if name == FIRST else Cut() for name in names}


def follow(endpoint: EndpointStandIn, outcomes: dict[str, Outcome]) -> None:
    def behave(call: Call) -> Outcome:
        return outcomes.get(call.endpoint)

    endpoint.behave = behave


def models(work: ClassifierProcess) -> Counter[str]:
    return Counter(alert.model for alert in work.alerts())


def test_the_second_answers_while_the_first_is_down_and_while_both_are_nothing_is_received(tmp_path: Path) -> None:
    with ClassifierProcess(tmp_path, MODELS) as work:
        work.start_and_wait()
        work.wait_until(lambda: not work.is_open(FIRST) and not work.is_open(SECOND), "both to be up")

        work.send(numbered(range(100)))
        work.wait_until_settled()
        assert models(work) == {"first-model": 80}
        assert {call.endpoint for call in work.endpoint.calls if call.texts != (HARMLESS,)} == {FIRST}

        follow(work.endpoint, down(FIRST))
        work.send(numbered(range(100, 200)))
        work.wait_until_settled()
        assert models(work) == {"first-model": 80, "second-model": 80}
        assert work.is_open(FIRST)
        assert not work.is_open(SECOND)

        follow(work.endpoint, {})
        work.wait_until(lambda: not work.is_open(FIRST), "the first to be back")
        before = len(work.endpoint.calls)
        # the same words as those that the second judged: its judgements are not kept, for the first's are to count
        work.send([*numbered(range(200, 300)), *numbered(range(100, 200), source="again")])
        work.wait_until_settled()
        assert models(work) == {"first-model": 240, "second-model": 80}
        assert {call.endpoint for call in work.endpoint.calls[before:]} == {FIRST}

        follow(work.endpoint, down(FIRST, SECOND))
        work.send(numbered(range(300, 310)))
        work.wait_until(lambda: work.is_open(FIRST) and work.is_open(SECOND), "both to be down")
        received = work.received()
        work.send(numbered(range(310, 400)))
        probes = len(work.endpoint.calls) + 4
        work.wait_until(lambda: len(work.endpoint.calls) >= probes, "some probes of both")
        assert work.received() <= received + ONE_RECEIVE
        assert {call.texts for call in work.endpoint.calls[probes - 2 :]} == {(HARMLESS,)}

        follow(work.endpoint, down(FIRST))
        work.wait_until_settled()
        assert models(work) == {"first-model": 240, "second-model": 160}
        work.assert_balanced()
        work.assert_received_once()
        calls = work.metrics()
        for name in (FIRST, SECOND):
            ok = ("classifier_endpoint_calls_total", frozenset({("endpoint", name), ("outcome", "ok")}))
            failed = ("classifier_endpoint_calls_total", frozenset({("endpoint", name), ("outcome", "EndpointFailed")}))
            assert calls[ok] > 0
            assert calls[failed] > 0
