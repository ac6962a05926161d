"""The reader keeps what is worked on invisible and settles each message once: deleted, given back or dead-lettered."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import pipeline.connection_state
import pipeline.queue_reader
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import POLL_SECONDS, QueueReader, ReceivedMessage
from pipeline.sqs_rules import BATCH_BYTES
from tests.support.fake_sqs import DEAD_LETTERS_URL, URL, FakeSqs, client_error
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log

SOON = 5.0
StartReader = Callable[..., QueueReader]


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.connection_state, pipeline.queue_reader)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.queue_reader, "_SETTLE_WAIT", 0.001)


@pytest.fixture
def start_reader(
    sqs: FakeSqs, registry: CollectorRegistry, stopping: threading.Event, log: RecordingLog
) -> Iterator[StartReader]:
    started: list[QueueReader] = []

    def start(visibility_timeout: int = 60, backoff: Backoff | None = None) -> QueueReader:
        reader = QueueReader(
            sqs.client,
            URL,
            DEAD_LETTERS_URL,
            "posts",
            "classifier",
            QueueMetrics(registry),
            backoff or Backoff(0.002, 0.005, random.Random(1)),
            stopping,
            visibility_timeout=visibility_timeout,
        )
        started.append(reader)
        return reader

    yield start
    sqs.faults.gate.set()
    for reader in started:
        reader.close()


def sample(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value(f"queue_{name}_total", {"queue": "posts"})


def bodies(messages: list[ReceivedMessage]) -> list[str]:
    return [message.body for message in messages]


# Receiving


def test_messages_are_received_with_what_came_along(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a", attributes={"trace_id": "t-1"})
    (message,) = start_reader().receive()
    assert (message.id, message.body, message.receive_count) == ("message-1", "a", 1)
    assert message.attributes == {"trace_id": "t-1"}


def test_an_attribute_that_is_no_text_is_left_out(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a", attributes={"trace_id": "t-1"})
    sqs.queues[URL][0].attributes["picture"] = {"DataType": "Binary", "BinaryValue": b"\x00"}
    (message,) = start_reader().receive()
    assert message.attributes == {"trace_id": "t-1"}


def test_a_receive_asks_for_up_to_ten_with_a_poll_that_a_drain_can_wait_for(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add(*map(str, range(12)))
    reader = start_reader()
    assert (len(reader.receive()), len(reader.receive(limit=1)), len(reader.receive()), reader.receive()) == (
        *(10, 1, 1),
        [],
    )
    assert {request["WaitTimeSeconds"] for request in sqs.requests("receive_message")} == {POLL_SECONDS}
    assert POLL_SECONDS <= 5
    assert sample(registry, "messages_received") == 12


def test_a_message_that_comes_again_says_how_often(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.give_back(reader.receive())
    assert [message.receive_count for message in reader.receive()] == [2]


def test_it_is_ready_once_a_receive_was_answered(sqs: FakeSqs, start_reader: StartReader) -> None:
    reader = start_reader()
    assert reader.state.trouble() == "not reached yet"
    reader.receive()
    assert reader.state.trouble() is None


def test_an_unreachable_queue_is_logged_once_and_receiving_resumes(
    sqs: FakeSqs, start_reader: StartReader, log: RecordingLog
) -> None:
    sqs.add("a")
    sqs.faults.outage = True
    reader = start_reader()
    assert [reader.receive() for _ in range(5)] == [[]] * 5
    assert log.events == ["cannot be reached, trying again"]
    assert "Could not connect" in (reader.state.trouble() or "")
    sqs.faults.outage = False
    assert bodies(reader.receive()) == ["a"]
    assert log.events == ["cannot be reached, trying again", "reachable again"]
    assert reader.state.trouble() is None


class CountingBackoff(Backoff):
    """Waits next to nothing and keeps how it was used."""

    def __init__(self) -> None:
        super().__init__(0.001, 0.001, random.Random(1))
        self.used: list[str] = []

    def next(self) -> float:
        self.used.append("next")
        return super().next()

    def reset(self) -> None:
        self.used.append("reset")
        super().reset()


def test_each_failed_receive_waits_with_backoff_and_a_success_starts_it_anew(
    sqs: FakeSqs, start_reader: StartReader
) -> None:
    backoff = CountingBackoff()
    reader = start_reader(backoff=backoff)
    errors: list[Exception | None] = [client_error("AWS.SimpleQueueService.NonExistentQueue"), None]
    sqs.faults.of_call = lambda _operation, _request: errors.pop(0) if errors else None
    reader.receive()
    reader.receive()
    assert backoff.used == ["next", "reset"]


def test_stopping_cuts_the_wait_for_an_unreachable_queue_short(
    sqs: FakeSqs, start_reader: StartReader, stopping: threading.Event
) -> None:
    sqs.faults.outage = True
    reader = start_reader(backoff=Backoff(3600.0, 3600.0, random.Random(1)))
    receiving = threading.Thread(target=reader.receive, daemon=True)
    receiving.start()
    wait_until(lambda: "Could not connect" in (reader.state.trouble() or ""), "the outage to be seen")
    stopping.set()
    receiving.join(SOON)
    assert not receiving.is_alive()


# Deleting


def test_deleted_messages_are_gone_in_batches_of_ten(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add(*map(str, range(13)))
    reader = start_reader()
    reader.delete([*reader.receive(), *reader.receive()])
    assert sqs.bodies() == []
    assert [len(request["Entries"]) for request in sqs.requests("delete_message_batch")] == [10, 3]
    assert sample(registry, "messages_deleted") == 13


def test_deleting_nothing_calls_nothing(sqs: FakeSqs, start_reader: StartReader) -> None:
    start_reader().delete([])
    assert sqs.requests("delete_message_batch") == []


def test_an_entry_that_could_not_be_deleted_is_tried_again_alone(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a", "b", "c")
    reader = start_reader()
    messages = reader.receive()
    faults = [("InternalError", False)]
    sqs.faults.of_entry = lambda _operation, entry: (
        faults.pop() if faults and entry["ReceiptHandle"] == messages[1].receipt_handle else None
    )
    reader.delete(messages)
    assert sqs.bodies() == []
    assert [len(request["Entries"]) for request in sqs.requests("delete_message_batch")] == [3, 1]


def test_what_cannot_be_deleted_is_let_go_and_said(
    sqs: FakeSqs, start_reader: StartReader, log: RecordingLog, registry: CollectorRegistry
) -> None:
    sqs.add("a", "b")
    reader = start_reader()
    messages = reader.receive()
    sqs.faults.outage = True
    reader.delete(messages)
    assert len(sqs.requests("delete_message_batch")) == 3
    assert log.events == ["cannot be reached, trying again", "messages could not be deleted and will come again"]
    assert sample(registry, "messages_deleted") == 0
    sqs.faults.outage = False
    reader.close()
    assert sqs.requests("change_message_visibility_batch") == []


# Giving back


def test_a_message_given_back_is_visible_at_once(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add("a", "b")
    reader = start_reader()
    first, _second = reader.receive()
    reader.give_back([first])
    assert sqs.visible() == ["a"]
    assert sample(registry, "messages_given_back") == 1


def test_a_message_given_back_with_a_delay_is_visible_after_it(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.give_back(reader.receive(), delay_seconds=300)
    sqs.clock.now += 299
    assert sqs.visible() == []
    sqs.clock.now += 1
    assert sqs.visible() == ["a"]


# Dead letters


def test_a_dead_letter_says_why_who_and_from_where(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add("not JSON", attributes={"trace_id": "t-1"})
    reader = start_reader()
    (message,) = reader.receive()
    reader.dead_letter(message, "expected JSON")
    (letter,) = sqs.queues[DEAD_LETTERS_URL]
    assert letter.body == "not JSON"
    assert {name: value["StringValue"] for name, value in letter.attributes.items()} == {
        "trace_id": "t-1",
        "reason": "expected JSON",
        "service": "classifier",
        "source_message_id": message.id,
    }
    assert sqs.bodies() == []
    assert sample(registry, "messages_dead_lettered") == 1


def test_a_message_leaves_its_queue_only_after_the_dead_letters_accepted_it(
    sqs: FakeSqs, start_reader: StartReader
) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.dead_letter(reader.receive()[0], "reason")
    assert [operation for operation, _request in sqs.calls if operation != "receive_message"] == [
        "send_message",
        "delete_message_batch",
    ]


def test_a_message_stays_while_the_dead_letters_cannot_be_reached(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add("a")
    reader = start_reader()
    sqs.faults.of_call = lambda operation, _request: (
        client_error("ServiceUnavailable") if operation == "send_message" else None
    )
    reader.dead_letter(reader.receive()[0], "reason")
    assert (sqs.bodies(), sqs.bodies(DEAD_LETTERS_URL)) == (["a"], [])
    sqs.clock.now += 59
    assert sqs.visible() == []
    sqs.clock.now += 1
    assert sqs.visible() == ["a"]
    assert not sample(registry, "messages_dead_lettered")


@pytest.mark.parametrize(
    ("reason", "written"),
    [("", "unknown"), ("bad \x1b[31m\ud800", "bad \ufffd[31m\ufffd"), ("long " * 1000, ("long " * 100))],
)
def test_a_reason_is_made_fit_for_an_attribute(
    sqs: FakeSqs, start_reader: StartReader, reason: str, written: str
) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.dead_letter(reader.receive()[0], reason)
    assert sqs.queues[DEAD_LETTERS_URL][0].attributes["reason"]["StringValue"] == written


def test_the_largest_message_is_cut_so_that_its_reason_fits(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("é" * (BATCH_BYTES // 2))
    reader = start_reader()
    reader.dead_letter(reader.receive()[0], "reason")
    (letter,) = sqs.queues[DEAD_LETTERS_URL]
    assert BATCH_BYTES - 200 < len(letter.body.encode()) < BATCH_BYTES
    assert set(letter.body) == {"é"}
    assert sqs.bodies() == []


def test_a_message_with_as_many_attributes_as_sqs_allows_finds_its_place_too(
    sqs: FakeSqs, start_reader: StartReader
) -> None:
    sqs.add("a", attributes={f"name{number}": "value" for number in range(9)} | {"reason": "an earlier one"})
    reader = start_reader()
    reader.dead_letter(reader.receive()[0], "reason")
    (letter,) = sqs.queues[DEAD_LETTERS_URL]
    assert len(letter.attributes) == 10
    assert letter.attributes["reason"]["StringValue"] == "reason"
    assert letter.attributes["source_message_id"]["StringValue"] == "message-1"


# Heartbeat


@pytest.fixture
def start_beating_reader(start_reader: StartReader, monkeypatch: pytest.MonkeyPatch) -> StartReader:
    """A reader with a timeout of a second of the queue's clock and a beat every few real milliseconds."""
    monkeypatch.setattr(pipeline.queue_reader, "_BEATS", 100)
    return lambda: start_reader(visibility_timeout=1)


def beats(sqs: FakeSqs) -> list[list[str]]:
    """The receipts of each call that prolonged messages."""
    entries = [request["Entries"] for request in sqs.requests("change_message_visibility_batch")]
    return [[entry["ReceiptHandle"] for entry in each] for each in entries if each[0]["VisibilityTimeout"] == 1]


def wait_until_prolonged(sqs: FakeSqs) -> None:
    wait_until(lambda: sqs.queues[URL][0].visible_at == sqs.clock() + 1, "the message to be prolonged")


def test_there_are_three_beats_within_a_timeout_so_that_two_may_fail() -> None:
    assert pipeline.queue_reader._BEATS == 3


def test_a_heartbeat_keeps_a_message_invisible_beyond_its_timeout(
    sqs: FakeSqs, start_beating_reader: StartReader
) -> None:
    sqs.add("a")
    reader = start_beating_reader()
    messages = reader.receive()
    for _ in range(3):
        sqs.clock.now += 0.9
        wait_until_prolonged(sqs)
    assert sqs.visible() == []
    reader.delete(messages)
    assert sqs.bodies() == []


def test_a_settled_message_is_prolonged_no_more(sqs: FakeSqs, start_beating_reader: StartReader) -> None:
    sqs.add("a", "b", "c")
    reader = start_beating_reader()
    given_back, deleted, kept = reader.receive()
    reader.give_back([given_back], delay_seconds=100)
    reader.delete([deleted])
    before = len(beats(sqs))
    wait_until(lambda: len(beats(sqs)) >= before + 2, "the next beats")
    assert beats(sqs)[before + 1 :] == [[kept.receipt_handle]] * (len(beats(sqs)) - before - 1)


def test_a_heartbeat_that_fails_is_tried_at_the_next_beat(sqs: FakeSqs, start_beating_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_beating_reader()
    reader.receive()
    sqs.faults.outage = True
    before = len(beats(sqs))
    wait_until(lambda: len(beats(sqs)) > before + 1, "a beat that fails")
    sqs.faults.outage = False
    sqs.clock.now += 0.5
    wait_until_prolonged(sqs)


@pytest.fixture
def permits(sqs: FakeSqs) -> Iterator[threading.Semaphore]:
    """Each call of a heartbeat waits for one of these."""
    permits = threading.Semaphore(0)

    def wait_for_permit(_operation: str, request: Mapping[str, Any]) -> None:
        if any(entry.get("VisibilityTimeout") == 1 for entry in request.get("Entries", [])):
            permits.acquire(timeout=SOON)

    sqs.faults.of_call = wait_for_permit
    yield permits
    permits.release(1000)


def test_a_beat_under_way_does_not_undo_the_delay_of_a_message_given_back(
    sqs: FakeSqs, start_beating_reader: StartReader, permits: threading.Semaphore
) -> None:
    sqs.add("a")
    reader = start_beating_reader()
    messages = reader.receive()
    wait_until(lambda: beats(sqs), "a beat")
    giving_back = threading.Thread(target=reader.give_back, args=(messages, 100))
    giving_back.start()
    giving_back.join(0.02)
    permits.release()
    giving_back.join(SOON)
    reader.close()  # the beat has ended, too
    assert sqs.queues[URL][0].visible_at == sqs.clock() + 100


def test_a_message_settled_while_a_beat_is_under_way_is_left_out_of_its_next_call(
    sqs: FakeSqs, start_beating_reader: StartReader, permits: threading.Semaphore
) -> None:
    sqs.add(*map(str, range(20)))
    reader = start_beating_reader()
    first = reader.receive()
    wait_until(lambda: beats(sqs), "a beat")
    second = reader.receive()
    permits.release()
    wait_until(lambda: len(beats(sqs)) == 2, "the first call of the next beat")
    reader.delete(second[:7])
    permits.release()
    wait_until(lambda: len(beats(sqs)) == 3, "its second call")
    assert beats(sqs)[1:] == [
        [message.receipt_handle for message in first],
        [message.receipt_handle for message in second[7:]],
    ]


def test_a_heartbeat_drops_an_expired_receipt_once(
    sqs: FakeSqs, start_beating_reader: StartReader, registry: CollectorRegistry, log: RecordingLog
) -> None:
    sqs.add("expired", "b")
    reader = start_beating_reader()
    expired, kept = reader.receive()
    sqs.queues[URL][0].receipt = "of another reader"
    wait_until(lambda: beats(sqs)[-2:] == [[kept.receipt_handle]] * 2, "two beats without the expired one")
    assert beats(sqs)[0] == [expired.receipt_handle, kept.receipt_handle]
    assert sample(registry, "claims_lost") == 1
    assert log.events == ["receipts expired, the messages come again"]


def test_the_claim_on_an_expired_receipt_is_dropped_once(
    sqs: FakeSqs, start_reader: StartReader, log: RecordingLog, registry: CollectorRegistry
) -> None:
    sqs.add("a", "b")
    reader = start_reader()
    messages = reader.receive()
    sqs.clock.now += 61
    reader.give_back(messages)
    reader.give_back(messages)
    reader.close()
    assert log.events == ["receipts expired, the messages come again"]
    assert log.lines[0][2] == {"queue": "posts", "messages": 2}
    assert sample(registry, "claims_lost") == 2
    assert len(sqs.requests("change_message_visibility_batch")) == 2


# Closing


def test_close_gives_back_what_is_held(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add(*map(str, range(12)))
    reader = start_reader()
    held = [*reader.receive(), *reader.receive()]
    reader.delete(held[:1])
    reader.close()
    assert sqs.visible() == [str(number) for number in range(1, 12)]


def test_close_with_nothing_held_calls_nothing(sqs: FakeSqs, start_reader: StartReader) -> None:
    start_reader().close()
    assert sqs.calls == []


def test_close_with_an_unreachable_queue_tries_once_and_ends(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.receive()
    sqs.faults.outage = True
    reader.close()
    assert len(sqs.requests("change_message_visibility_batch")) == 1


def test_close_waits_for_one_call_of_a_beat_and_not_for_all(sqs: FakeSqs, start_beating_reader: StartReader) -> None:
    sqs.add(*map(str, range(30)))
    reader = start_beating_reader()
    for _ in range(3):
        reader.receive()
    sqs.faults.gate.clear()
    sqs.wait_for_a_call_at_the_gate()
    before = len(sqs.requests("change_message_visibility_batch"))
    closing = threading.Thread(target=reader.close)
    closing.start()
    wait_until(reader._closed.is_set, "close to have begun")
    sqs.faults.gate.set()
    closing.join(SOON)
    after = sqs.requests("change_message_visibility_batch")[before:]
    assert [request["Entries"][0]["VisibilityTimeout"] for request in after] == [0, 0, 0]


def test_a_call_for_one_batch_that_fails_does_not_keep_the_next_from_theirs(
    sqs: FakeSqs, start_reader: StartReader
) -> None:
    sqs.add(*map(str, range(20)))
    reader = start_reader()
    held = [*reader.receive(), *reader.receive()]

    def fault(operation: str, request: Mapping[str, Any]) -> Exception | None:
        handles = [entry["ReceiptHandle"] for entry in request.get("Entries", [])]
        return client_error("InternalError") if held[0].receipt_handle in handles else None

    sqs.faults.of_call = fault
    reader.delete(held)
    assert sqs.bodies() == [str(number) for number in range(10)]
