"""Each service hands the trace id on, and has it in each line about one message."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import pytest
import structlog
from prometheus_client import CollectorRegistry

from classifier import outcomes
from classifier.cases import Judged
from classifier.endpoint_errors import ContentRefused
from classifier.in_hand import InHand
from classifier.intake import Intake
from classifier.metrics import Metrics as ClassifierMetrics
from classifier.outcomes import Outcomes
from notifier import alert_loop, channel_worker
from notifier.alert_loop import AlertLoop
from notifier.channel_worker import ChannelWorker
from notifier.channels.contract import Delivered, Failed, Outcome
from notifier.delivery_loop import DeliveryLoop
from notifier.metrics import Metrics as NotifierMetrics
from notifier.postponement import Postponement
from notifier.routing import Router
from pipeline.acceptance import Acceptance
from pipeline.alerts_config import parse_alerts_config
from pipeline.contracts import Delivery, Message, decode_delivery
from pipeline.errors import Unsendable
from pipeline.logs import OccasionalLog
from pipeline.queue_reader import ReceivedMessage
from pipeline.recent_ids import RecentIds
from pipeline.trace import trace_id_of
from stream_getter import forwarder
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics as StreamGetterMetrics
from tests.support.classifier_parts import Lines, ScriptedModel
from tests.support.desk_bench import Bench
from tests.support.examples import NOW, a_delivery, a_notice, a_post, an_alert, received
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.list_source import ListSource
from tests.support.recording_log import record_log

Verdict = Callable[[str], Exception | str | None]


def trace_in_hand() -> object:
    return structlog.contextvars.get_contextvars().get("trace_id")


class TracedReader(FakeReader):
    """Keeps what a dead letter's log line would have for a trace id."""

    def __init__(self, stopping: threading.Event, *batches: Sequence[ReceivedMessage]) -> None:
        super().__init__(stopping, *batches)
        self.traces: dict[str, object] = {}

    def dead_letter(self, message: ReceivedMessage, reason: str, log_reason: str | None = None) -> None:
        self.traces[message.id] = trace_in_hand()
        super().dead_letter(message, reason, log_reason)


class TracedWriter(FakeWriter):
    """Keeps each message's trace id, as the next service would find it."""

    def __init__(self, verdict: Verdict = lambda _body: None) -> None:
        super().__init__(verdict)
        self.traces: list[str | None] = []

    def put(self, body: str, attributes: Mapping[str, str] | None = None, delay_seconds: int = 0) -> Acceptance:
        self.traces.append((attributes or {}).get("trace_id"))
        return super().put(body, attributes, delay_seconds)


def message(content: Message | str, id_: str, trace_id: str = "") -> ReceivedMessage:
    made = received(content, id_)
    if trace_id:
        made.attributes["trace_id"] = trace_id
    assert trace_id_of(made) == trace_id
    return made


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


# stream-getter


def test_stream_getter_sends_the_id_and_logs_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    log = record_log(monkeypatch, forwarder)
    writer = TracedWriter(lambda body: Unsendable("too large") if '"x:2"' in body else None)
    source = ListSource(a_post("x:1", trace_id="t-1"), a_post("x:2", trace_id="t-2"), a_post("x:3", trace_id=""))
    metrics = StreamGetterMetrics(CollectorRegistry())
    Forwarder(source, writer, RecentIds(10), metrics, OccasionalLog()).run()
    assert writer.traces == ["t-1", "t-2", None]
    assert list(zip(log.events, log.trace_ids, strict=True)) == [
        ("post sent", "t-1"),
        ("a post was not sent", "t-2"),
        ("post sent", None),
    ]


# classifier


def test_classifier_sends_the_id_and_logs_by_it(monkeypatch: pytest.MonkeyPatch, stopping: threading.Event) -> None:
    log = record_log(monkeypatch, outcomes)
    batch = [
        message(a_post("x:1", text="an alert", trace_id="t-1"), "1"),
        message(a_post("x:2", text="no alert", trace_id="t-2"), "2"),
        message(a_post("x:3", text="refused", trace_id="t-3"), "3"),
        message("no JSON", "4", trace_id="t-4"),
        message("no JSON, no id", "5"),
        message(a_post("x:6", text="too large", trace_id="t-6"), "6", trace_id="t-6"),
    ]
    scores = {
        "an alert": Judged([0.9], "minilm"),
        "no alert": Judged([0.1], "minilm"),
        "too large": Judged([0.9], "minilm"),
    }
    reader = TracedReader(stopping, batch)
    writer = TracedWriter(lambda body: Unsendable("too large") if '"x:6"' in body else None)
    bench, in_hand = Bench(), InHand(100, 1_000_000)
    settling = Outcomes(reader, writer, in_hand, ClassifierMetrics(CollectorRegistry()), lambda: NOW)
    Intake(reader, bench.desk, settling, in_hand, Lines(ScriptedModel()).lines, stopping).run()
    asked = bench.take()
    answers = [scores.get(question.text, ContentRefused("not this")) for question in asked.questions]
    settling.settle(bench.desk.answered(asked.questions, answers))
    assert writer.traces == ["t-1", "t-6"]
    assert list(zip(log.events, log.trace_ids, strict=True)) == [
        ("alert", "t-1"),
        ("no alert", "t-2"),
        ("alert", "t-6"),
    ]
    assert reader.traces == {"3": "t-3", "4": "t-4", "5": None, "6": "t-6"}


# notifier


CONFIG = parse_alerts_config(
    """
labels: [{name: quake, threshold: 0.5}]
channels: {desk: {type: stdout}, night: {type: stdout}}
routes: [{labels: [quake], channels: [desk, night]}]
ops: [desk]
""",
    "alerts.yaml",
)


def test_notifier_sends_the_id_with_each_delivery_and_logs_by_it(
    monkeypatch: pytest.MonkeyPatch, stopping: threading.Event
) -> None:
    log = record_log(monkeypatch, alert_loop)
    batch = [
        message(an_alert("quake", post=a_post("x:1", trace_id="t-1")), "1"),
        message(an_alert("flood", post=a_post("x:2", trace_id="t-2")), "2"),
        message("no JSON", "3", trace_id="t-3"),
        message(a_notice(), "4"),
    ]
    reader, writer = TracedReader(stopping, batch), TracedWriter()
    router = Router(CONFIG, timedelta(hours=24), lambda: NOW, new_id=lambda: "new-id")
    AlertLoop(reader, writer, router, NotifierMetrics(CollectorRegistry()), stopping).run()
    assert writer.traces == ["t-1", "t-1", "new-id"]
    assert list(zip(log.events, log.trace_ids, strict=True)) == [
        ("to be told", "t-1"),
        ("nobody is to be told", "t-2"),
        ("to be told", None),
    ]
    assert reader.traces == {"3": "t-3"}


class OfferedWorker(ChannelWorker):
    """Is busy."""

    def __init__(self) -> None:
        pass

    def offer(self, message: ReceivedMessage, delivery: Delivery) -> bool:
        return False


def test_a_delivery_keeps_its_id_wherever_it_goes(stopping: threading.Event) -> None:
    batch = [
        message(a_delivery("1", trace_id="t-1"), "busy"),
        message(a_delivery("2", trace_id="t-2", expires_at=NOW), "expired"),
        message(a_delivery("3", trace_id="t-3", channel="gone"), "gone"),
        message("no JSON", "no JSON", trace_id="t-4"),
        message(a_delivery("5", trace_id="t-5", not_before=NOW + timedelta(hours=1)), "early"),
    ]
    reader, writer = TracedReader(stopping, batch), TracedWriter()
    workers = {"desk": OfferedWorker()}
    DeliveryLoop(reader, Postponement(reader, writer), workers, stopping, lambda: NOW).run()
    assert writer.traces == ["t-1", "t-5"]
    assert reader.traces == {"expired": "t-2", "gone": "t-3", "no JSON": "t-4"}


def test_what_a_delivery_is_dead_lettered_by_in_the_writers_thread_has_its_id(stopping: threading.Event) -> None:
    reader, writer = TracedReader(stopping), TracedWriter(lambda _body: "later")
    delivery = a_delivery(trace_id="t-1")
    Postponement(reader, writer).postpone(message(delivery, "1"), delivery, 30.0, NOW, attempt=2)
    sender = threading.Thread(target=lambda: writer.undecided[0].set_exception(Unsendable("too large")))
    sender.start()
    sender.join(5.0)
    assert reader.traces == {"1": "t-1"}


def test_what_a_channel_says_is_logged_by_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    log = record_log(monkeypatch, channel_worker)
    said: dict[str, Outcome] = {"1": Delivered(), "2": Failed("later"), "3": Failed("never", final=True)}

    class SayingChannel:
        def deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
            return [said[delivery.id] for delivery in deliveries]

    once = threading.Event()
    reader, writer = TracedReader(once), TracedWriter()
    channel = ChannelWorker(
        "desk",
        SayingChannel(),
        reader,
        Postponement(reader, writer),
        RecentIds(10),
        NotifierMetrics(CollectorRegistry()),
        once,
        lambda: NOW,
        random.Random(1),
        OccasionalLog(),
    )
    for id_ in said:
        delivery = a_delivery(id_, trace_id=f"t-{id_}")
        assert channel.offer(message(delivery, id_), delivery)
    channel.retire()
    channel.run()
    assert list(zip(log.events, log.trace_ids, strict=True)) == [
        ("delivered", "t-1"),
        ("delivery failed, trying again later", "t-2"),
    ]
    assert reader.traces == {"3": "t-3"}
    assert [decode_delivery(body).trace_id for body in writer.bodies] == writer.traces == ["t-2"]
