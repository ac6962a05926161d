"""A new configuration while classifier runs: no batch is judged by a mixture, and none waits for the old one."""

import random
import threading
from collections.abc import Callable, Sequence

import pytest
from prometheus_client import CollectorRegistry

from classifier.endpoint import ContentRefused, EndpointUnavailable, ModelEndpoint, Scores
from classifier.metrics import Metrics
from classifier.patient_endpoint import PatientEndpoint, Superseded
from classifier.worker import Worker
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.connection_state import ConnectionState
from pipeline.contracts import Alert, decode_alert_or_notice
from pipeline.queue_reader import ReceivedMessage
from tests.support.examples import NOW, a_post, received
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.polling import wait_until

Answer = Callable[[Sequence[str]], list[Scores]]


class FakeModel(ModelEndpoint):
    """Answers by a function."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.calls: list[list[str]] = []

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        self.calls.append(list(texts))
        return self._answer(texts)


def scores(**by_label: float) -> Answer:
    return lambda texts: [dict(by_label) for _ in texts]


def refuse_all(texts: Sequence[str]) -> list[Scores]:
    raise ContentRefused("candidate_labels: too many")


def down(texts: Sequence[str]) -> list[Scores]:
    raise EndpointUnavailable("503")


class Bench:
    """A worker that runs in a thread, with waits for the endpoint that last no time."""

    def __init__(self, answer: Answer, thresholds: dict[str, float], *batches: Sequence[ReceivedMessage]) -> None:
        self.stopping = threading.Event()
        self.breaker = Breaker(3, _backoff(), starts_open=True)
        self.limit = AdaptiveLimit(1, 1)
        self.reader = FakeReader(self.stopping, *batches)
        self.writer = FakeWriter()
        self.worker = Worker(
            self.reader,
            self.writer,
            self.patient(answer),
            thresholds,
            "minilm",
            Metrics(CollectorRegistry()),
            self.stopping,
            now=lambda: NOW,
        )
        self.thread = threading.Thread(target=self.worker.run, daemon=True)

    def patient(self, answer: Answer) -> PatientEndpoint:
        state = ConnectionState("model endpoint")
        return PatientEndpoint(FakeModel(answer), self.breaker, self.limit, _backoff(), state, self.stopping)

    @property
    def alerts(self) -> list[tuple[str, list[str]]]:
        alerts = [decode_alert_or_notice(body) for body in self.writer.bodies]
        return [(alert.post.id, [label.name for label in alert.labels]) for alert in alerts if isinstance(alert, Alert)]


def _backoff() -> Backoff:
    return Backoff(0.001, 0.001, random.Random(1))


def post(id_: str) -> ReceivedMessage:
    return received(a_post(f"x:{id_}"), id_)


def test_the_next_batch_is_judged_by_the_new_labels_and_thresholds_and_the_one_under_way_by_the_old() -> None:
    def while_it_is_judged(texts: Sequence[str]) -> list[Scores]:
        if "Good morning." not in texts:
            bench.worker.judge_by(bench.patient(scores(fire=0.7)), {"fire": 0.6})
        return [{"flood": 0.9} for _ in texts]

    bench = Bench(while_it_is_judged, {"flood": 0.5}, [post("1"), post("2")], [post("3")])
    bench.worker.run()
    assert bench.alerts == [("x:1", ["flood"]), ("x:2", ["flood"]), ("x:3", ["fire"])]
    assert sorted(bench.reader.deleted) == ["1", "2", "3"]


def test_a_threshold_that_was_raised_counts_from_the_next_batch_on() -> None:
    bench = Bench(scores(flood=0.7), {"flood": 0.5}, [post("1")], [post("2")])
    receive = bench.reader.receive

    def receive_and_raise(limit: int = 10, timeout: float = 5.0) -> list[ReceivedMessage]:
        messages = receive(limit)
        if messages and messages[0].id == "2":
            bench.worker.judge_by(bench.patient(scores(flood=0.7)), {"flood": 0.8})
        return messages

    bench.reader.receive = receive_and_raise  # type: ignore[method-assign]
    bench.worker.run()
    assert bench.alerts == [("x:1", ["flood"])]
    assert sorted(bench.reader.deleted) == ["1", "2"]


def changing_after_the_first_call(then: Answer) -> tuple[Answer, list[int]]:
    """Answers the harmless text at the start, and from then on by ``then``."""
    calls: list[int] = []

    def answer(texts: Sequence[str]) -> list[Scores]:
        calls.append(1)
        return then(texts) if len(calls) > 1 else [{"flood": 0.9} for _ in texts]

    return answer, calls


@pytest.mark.parametrize("trouble", [refuse_all, down], ids=["it refuses every text", "it is down"])
def test_a_batch_that_waits_is_judged_by_the_new_one_as_soon_as_that_is_in_force(trouble: Answer) -> None:
    answer, calls = changing_after_the_first_call(trouble)
    bench = Bench(answer, {"flood": 0.5}, [post("1"), post("2")])
    bench.thread.start()
    wait_until(lambda: len(calls) > 5, "the worker to wait")
    bench.worker.judge_by(bench.patient(scores(fire=0.7)), {"fire": 0.6})
    bench.thread.join(10)
    assert not bench.thread.is_alive()
    assert bench.alerts == [("x:1", ["fire"]), ("x:2", ["fire"])]
    assert sorted(bench.reader.deleted) == ["1", "2"]


def test_a_start_that_waits_goes_on_by_the_new_one() -> None:
    bench = Bench(refuse_all, {"flood": 0.5}, [post("1")])
    bench.thread.start()
    threading.Event().wait(0.02)
    bench.worker.judge_by(bench.patient(scores(flood=0.7)), {"flood": 0.6})
    bench.thread.join(10)
    assert not bench.thread.is_alive()
    assert bench.alerts == [("x:1", ["flood"])]


def test_one_that_answers_is_not_given_up() -> None:
    bench = Bench(scores(flood=0.7), {"flood": 0.5})
    endpoint = bench.patient(scores(flood=0.7))
    endpoint.wait_until_it_answers()
    endpoint.supersede()
    assert endpoint.judge(["a"]) == [{"flood": 0.7}]
    waiting = bench.patient(down)
    waiting.supersede()
    with pytest.raises(Superseded):
        waiting.judge(["a"])
