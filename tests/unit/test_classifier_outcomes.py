"""What becomes of each message, and when."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from classifier import outcomes as outcomes_module
from classifier.cases import Answer, Answered, Case, Judged, NotAsked
from classifier.endpoint_errors import ContentRefused
from classifier.in_hand import InHand
from classifier.metrics import Metrics
from classifier.outcomes import Outcomes
from pipeline.contracts import Alert, decode_alert_or_notice
from pipeline.errors import Unsendable, WriterClosed, WriterCrashed
from tests.support.classifier_parts import a_case, labels_of, value
from tests.support.examples import NOW
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.recording_log import record_log

LABELS = labels_of({"name": "quake"}, {"name": "flood", "unless": ["a film"]})
BOTH = Judged([0.9, 0.8, 0.1], "minilm")
QUAKE = Judged([0.9, 0.1, 0.1], "minilm")
NOTHING = Judged([0.1, 0.1, 0.1], "minilm")


def asked(text: str, id_: str) -> Case:
    case = a_case(text, id_)
    case.label_set = LABELS.everything
    return case


class Bench:
    """Outcomes among fakes. Every case that is settled here counts as in hand before."""

    def __init__(self, verdict: Callable[[str], Exception | str | None] = lambda _body: None) -> None:
        self.reader = FakeReader(threading.Event())
        self.writer = FakeWriter(verdict)
        self.in_hand = InHand(100, 1_000_000)
        self.registry = CollectorRegistry()
        self.outcomes = Outcomes(self.reader, self.writer, self.in_hand, Metrics(self.registry), lambda: NOW)

    def settle(self, *answers: Answer | NotAsked) -> list[Case]:
        """For each answer a case whose message has its number, from 1 up."""
        cases = [asked(f"text {number}", str(number)) for number in range(1, len(answers) + 1)]
        self.settle_cases(list(zip(cases, answers, strict=True)))
        return cases

    def settle_cases(self, answered: Sequence[Answered]) -> None:
        for case, _answer in answered:
            self.in_hand.add(case)
        self.outcomes.settle(answered)

    @property
    def alerts(self) -> list[tuple[str, list[str]]]:
        alerts = [decode_alert_or_notice(body) for body in self.writer.bodies]
        return [(alert.post.id, [label.name for label in alert.labels]) for alert in alerts if isinstance(alert, Alert)]

    def count(self, outcome: str) -> float:
        return value(self.registry, "classifier_posts_judged_total", source="x", outcome=outcome)


def test_each_message_is_settled_by_its_answer() -> None:
    bench = Bench()
    bench.settle(BOTH, NOTHING, ContentRefused("not this"), NotAsked(), QUAKE)
    assert bench.alerts == [("x:1", ["quake", "flood"]), ("x:5", ["quake"])]
    assert sorted(bench.reader.deleted) == ["1", "2", "4", "5"]
    assert bench.reader.dead_letters == {"3": "refused by the model: not this"}
    counts = {outcome: bench.count(outcome) for outcome in ("alert", "below_threshold", "refused", "not_asked")}
    assert counts == {"alert": 2, "below_threshold": 1, "refused": 1, "not_asked": 1}
    assert bench.in_hand.count == 0


def test_labels_that_passed_and_labels_that_were_vetoed_are_counted() -> None:
    bench = Bench()
    bench.settle(BOTH, QUAKE, Judged([0.1, 0.8, 0.9], "minilm"))
    for name, expected in {"labels_passed": (2, 1), "labels_vetoed": (0, 1)}.items():
        counts = [
            value(bench.registry, f"classifier_{name}_total", source="x", label=label) for label in ("quake", "flood")
        ]
        assert tuple(counts) == expected
    assert (bench.count("alert"), bench.count("below_threshold")) == (2, 1)


def test_an_alert_names_the_model_that_answered() -> None:
    bench = Bench()
    bench.settle(Judged([0.9, 0.1, 0.1], "the second model"))
    alert = decode_alert_or_notice(bench.writer.bodies[0])
    assert isinstance(alert, Alert)
    assert alert.model == "the second model"


def test_the_delay_from_a_posts_arrival_is_measured_for_what_was_judged() -> None:
    bench = Bench()
    case = a_case("nice day", received_at=NOW - timedelta(seconds=4))
    case.label_set = LABELS.everything
    bench.settle_cases([(case, NOTHING), (asked("a", "2"), ContentRefused("no")), (asked("b", "3"), NotAsked())])
    assert value(bench.registry, "classifier_judgement_delay_seconds_sum") == 4
    assert value(bench.registry, "classifier_judgement_delay_seconds_count") == 1


def test_a_clock_that_went_back_makes_no_negative_delay() -> None:
    bench = Bench()
    case = a_case("nice day", received_at=NOW + timedelta(seconds=4))
    case.label_set = LABELS.everything
    bench.settle_cases([(case, NOTHING)])
    assert value(bench.registry, "classifier_judgement_delay_seconds_sum") == 0


def test_a_message_is_deleted_only_after_its_alert_was_accepted() -> None:
    bench = Bench(lambda _body: "later")
    bench.settle(QUAKE, NOTHING)
    assert bench.reader.deleted == ["2"]
    assert bench.in_hand.count == 1
    (acceptance,) = bench.writer.undecided
    acceptance.set_result()
    assert bench.reader.deleted == ["2", "1"]
    assert bench.in_hand.count == 0


def test_a_message_whose_alert_can_never_be_sent_goes_to_the_dead_letters() -> None:
    bench = Bench(lambda body: Unsendable("too large") if '"x:1"' in body else None)
    bench.settle(QUAKE, QUAKE)
    assert bench.reader.dead_letters == {"1": "its alert cannot be sent: too large"}
    assert bench.reader.deleted == ["2"]
    assert bench.in_hand.count == 0


@pytest.mark.parametrize("error", [WriterClosed("closing"), WriterCrashed("a bug")])
def test_a_message_whose_alert_was_not_accepted_before_the_end_is_left_for_the_reader_to_give_back(
    error: Exception,
) -> None:
    bench = Bench(lambda body: error if '"x:1"' in body else None)
    bench.settle(QUAKE, QUAKE)
    assert bench.reader.settled == {"2"}


def test_a_writer_that_has_crashed_ends_the_loop_that_hears_of_it() -> None:
    bench = Bench()

    def put(*_arguments: object, **_more: object) -> None:
        raise WriterCrashed("a bug")

    bench.writer.put = put  # type: ignore[assignment]
    with pytest.raises(WriterCrashed):
        bench.settle(QUAKE)
    assert bench.reader.settled == set()


def test_what_nobody_will_answer_is_given_back_at_once() -> None:
    bench = Bench()
    cases = [asked("a", "1"), asked("b", "2")]
    for case in cases:
        bench.in_hand.add(case)
    bench.outcomes.give_back(cases)
    bench.outcomes.give_back([])
    assert bench.reader.given_back == {"1": 0, "2": 0}
    assert bench.in_hand.count == 0


def test_texts_are_not_logged_at_any_level(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, outcomes_module)
    bench = Bench()
    secret = [asked(f"secret words {number}", str(number)) for number in range(5)]
    answers: list[Answer | NotAsked] = [QUAKE, NOTHING, ContentRefused("no"), NotAsked(), BOTH]
    bench.settle_cases(list(zip(secret, answers, strict=True)))
    assert logged.events == ["alert", "no alert", "alert"]
    assert {level for level, _event, _values in logged.lines} == {"debug"}
    assert "secret words" not in str(logged.lines)
