"""One worker: what becomes of each message, and when."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from classifier import worker
from classifier.endpoint import ContentRefused, Scores
from classifier.metrics import Metrics
from classifier.patient_endpoint import PatientEndpoint, Stopping
from classifier.worker import Worker
from pipeline.contracts import Alert, decode_alert_or_notice
from pipeline.errors import Unsendable, WriterClosed
from pipeline.queue_reader import ReceivedMessage
from tests.support.examples import NOW, a_notice, a_post, received
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.recording_log import record_log

Judge = Callable[[str], Scores | ContentRefused]


class FakeEndpoint(PatientEndpoint):
    """Judges each text by a function; ``down`` makes it wait for ever, which ends with the service's stop."""

    def __init__(self, judge: Judge, down: bool = False) -> None:
        self._judge = judge
        self._down = down
        self.judged: list[list[str]] = []

    def wait_until_it_answers(self) -> Any:
        if self._down:
            raise Stopping

    def judge(self, texts: Sequence[str]) -> list[Scores | ContentRefused]:
        self.judged.append(list(texts))
        return [self._judge(text) for text in texts]


def by_words(text: str) -> Scores | ContentRefused:
    if text == "refused":
        return ContentRefused("not this")
    return {"quake": 0.9 if "quake" in text else 0.1, "flood": 0.9 if "flood" in text else 0.1}


class Bench:
    """A worker among fakes."""

    def __init__(
        self,
        *batches: Sequence[ReceivedMessage],
        writer: FakeWriter | None = None,
        endpoint: FakeEndpoint | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        self.stopping = stopping or threading.Event()
        self.reader = FakeReader(self.stopping, *batches)
        self.writer = writer or FakeWriter()
        self.endpoint = endpoint or FakeEndpoint(by_words)
        self.registry = CollectorRegistry()
        self.worker = Worker(
            self.reader,
            self.writer,
            self.endpoint,
            {"quake": 0.5, "flood": 0.5},
            "minilm",
            Metrics(self.registry),
            self.stopping,
            now=lambda: NOW,
        )

    @property
    def alerts(self) -> list[Alert]:
        alerts = [decode_alert_or_notice(body) for body in self.writer.bodies]
        assert all(isinstance(alert, Alert) for alert in alerts)
        return alerts  # type: ignore[return-value]

    def count(self, outcome: str) -> float:
        return (
            self.registry.get_sample_value("classifier_posts_judged_total", {"source": "x", "outcome": outcome}) or 0.0
        )


def message(text: str, id_: str) -> ReceivedMessage:
    return received(a_post(f"x:{id_}", text=text), id_)


def test_a_batch_is_judged_by_one_call_and_each_message_is_settled() -> None:
    bench = Bench([message("quake here", "1"), message("nice day", "2"), message("quake and flood", "3")])
    bench.worker.run()
    assert bench.endpoint.judged == [["quake here", "nice day", "quake and flood"]]
    assert [alert.post.id for alert in bench.alerts] == ["x:1", "x:3"]
    assert sorted(bench.reader.deleted) == ["1", "2", "3"]
    assert (bench.count("alert"), bench.count("below_threshold")) == (2, 1)


def test_a_quoted_text_is_judged_too() -> None:
    bench = Bench([received(a_post(text="oh no", quoted_text="quake"), "1")])
    bench.worker.run()
    assert bench.endpoint.judged == [["oh no\nquake"]]
    assert len(bench.alerts) == 1


def test_labels_that_passed_are_counted() -> None:
    bench = Bench([message("quake and flood", "1"), message("quake", "2")])
    bench.worker.run()
    passed = {
        label: bench.registry.get_sample_value("classifier_labels_passed_total", {"source": "x", "label": label})
        for label in ("quake", "flood")
    }
    assert passed == {"quake": 2, "flood": 1}


def test_the_delay_from_a_posts_arrival_is_measured() -> None:
    bench = Bench([received(a_post(text="nice day", received_at=NOW - timedelta(seconds=4)), "1")])
    bench.worker.run()
    assert bench.registry.get_sample_value("classifier_judgement_delay_seconds_sum") == 4


@pytest.mark.parametrize(
    "content",
    ["no JSON", "{}", '{"type":"post","v":99,"id":"x:1"}', a_notice()],
    ids=["no JSON", "empty", "future version", "notice"],
)
def test_what_is_no_post_goes_to_the_dead_letters_and_its_neighbours_are_judged(content: Any) -> None:
    bench = Bench([received(content, "bad"), message("nice day", "2")])
    bench.worker.run()
    assert bench.reader.dead_letters.keys() == {"bad"}
    assert bench.reader.dead_letters["bad"].startswith("not a post: ")
    assert bench.reader.deleted == ["2"]


def test_a_batch_without_a_post_asks_the_endpoint_nothing() -> None:
    bench = Bench([received("no JSON", "bad")])
    bench.worker.run()
    assert bench.endpoint.judged == []
    assert bench.reader.settled == {"bad"}


def test_a_text_that_the_model_refuses_goes_to_the_dead_letters() -> None:
    bench = Bench([message("refused", "1"), message("nice day", "2")])
    bench.worker.run()
    assert bench.reader.dead_letters == {"1": "refused by the model: not this"}
    assert bench.reader.deleted == ["2"]
    assert bench.count("refused") == 1


def test_a_message_is_deleted_only_after_its_alert_was_accepted() -> None:
    bench = Bench([message("quake", "1")], writer=FakeWriter(lambda _body: "later"))
    thread = threading.Thread(target=bench.worker.run, daemon=True)
    accepting = threading.Event()
    put = bench.writer.put

    def put_and_tell(*arguments: Any, **more: Any) -> Any:
        future = put(*arguments, **more)
        accepting.set()
        return future

    bench.writer.put = put_and_tell  # type: ignore[method-assign]
    thread.start()
    assert accepting.wait(10)
    deleted_before_it_was_accepted = list(bench.reader.deleted)
    bench.writer.undecided[0].set_result(None)
    thread.join(10)
    assert deleted_before_it_was_accepted == []
    assert bench.reader.deleted == ["1"]


def test_a_message_whose_alert_can_never_be_sent_goes_to_the_dead_letters() -> None:
    writer = FakeWriter(lambda body: Unsendable("too large") if '"x:1"' in body else None)
    bench = Bench([message("quake", "1"), message("quake", "2")], writer=writer)
    bench.worker.run()
    assert bench.reader.dead_letters == {"1": "its alert cannot be sent: too large"}
    assert bench.reader.deleted == ["2"]


def test_a_message_whose_alert_was_not_accepted_before_the_stop_is_given_back() -> None:
    writer = FakeWriter(lambda body: WriterClosed("closing") if '"x:1"' in body else None)
    bench = Bench([message("quake", "1"), message("quake", "2")], writer=writer)
    bench.worker.run()
    assert bench.reader.given_back == {"1": 0}
    assert bench.reader.deleted == ["2"]


def test_a_message_whose_alert_is_still_undecided_after_a_stop_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = threading.Event()

    def stop(_body: str) -> str:
        stopping.set()
        return "later"

    monkeypatch.setattr("pipeline.acceptance._STOP_PATIENCE", 0.01)
    bench = Bench([message("quake", "1")], writer=FakeWriter(stop), stopping=stopping)
    bench.worker.run()
    assert bench.reader.given_back == {"1": 0}
    assert bench.reader.deleted == []


def test_a_stop_before_the_endpoint_answered_gives_the_posts_back() -> None:
    def stop(_text: str) -> Scores:
        raise Stopping

    bench = Bench([message("quake", "1"), received("no JSON", "bad")], endpoint=FakeEndpoint(stop))
    bench.worker.run()
    assert bench.reader.given_back == {"1": 0}
    assert bench.reader.dead_letters.keys() == {"bad"}


def test_nothing_is_received_before_the_endpoint_answers() -> None:
    bench = Bench([message("quake", "1")], endpoint=FakeEndpoint(by_words, down=True))
    bench.worker.run()
    assert bench.reader.settled == set()
    assert not bench.stopping.is_set()


def test_texts_are_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, worker)
    Bench([message("quake with secret words", "1")]).worker.run()
    assert logged.events == ["alert"]
    assert "secret words" not in str(logged.lines)
