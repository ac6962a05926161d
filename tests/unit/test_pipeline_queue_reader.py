"""The reader with its threads: it keeps what is worked on hidden and settles each message once, whatever happens."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import pipeline.connection_state
import pipeline.deletions
import pipeline.giving_back
import pipeline.heartbeat
import pipeline.queue_reader
import pipeline.reader_metrics
import pipeline.receive_ahead
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import GIVE_BACK_SECONDS, POLL_SECONDS, QueueReader, ReaderCrashed, ReceivedMessage
from tests.support.fake_sqs import DEAD_LETTERS_URL, URL, FakeSqs, client_error
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log

SOON = 5.0
#: For a receive that is to find nothing.
AT_ONCE = 0.02
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
    return record_log(
        monkeypatch,
        pipeline.connection_state,
        pipeline.deletions,
        pipeline.giving_back,
        pipeline.queue_reader,
        pipeline.reader_metrics,
    )


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.receive_ahead, "_PAUSE_AFTER_NOTHING", 0.005)
    monkeypatch.setattr(pipeline.heartbeat, "_LOOK", 0.005)
    monkeypatch.setattr(pipeline.deletions, "_REST", 0.005)
    monkeypatch.setattr(pipeline.deletions, "_LAST_REST", 0.005)
    monkeypatch.setattr(pipeline.giving_back, "_WAIT", 0.001)


@pytest.fixture
def start_reader(
    sqs: FakeSqs, registry: CollectorRegistry, stopping: threading.Event, log: RecordingLog
) -> Iterator[StartReader]:
    started: list[QueueReader] = []

    def start(visibility_timeout: int = 60, backoff: Backoff | None = None, **options: Any) -> QueueReader:
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
            **options,
        )
        started.append(reader)
        return reader

    yield start
    sqs.faults.gate.set()
    for reader in started:
        reader.close()


def sample(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value(f"queue_{name}_total", {"queue": "posts"})


def receive(reader: QueueReader, count: int) -> list[ReceivedMessage]:
    """So many messages; TimeoutError when they do not come."""
    received: list[ReceivedMessage] = []

    def have_come() -> bool:
        received.extend(reader.receive(timeout=AT_ONCE))
        return len(received) >= count

    wait_until(have_come, f"{count} messages")
    assert len(received) == count
    return received


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


def test_nothing_is_received_before_the_first_receive(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    threads = threading.active_count()
    reader = start_reader()
    assert threading.active_count() == threads
    assert sqs.calls == []
    reader.receive()
    assert sqs.requests("receive_message")


def test_up_to_the_limit_is_handed_out_and_nothing_after_the_timeout(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add(*map(str, range(12)))
    reader = start_reader()
    assert len(reader.receive()) == 10
    wait_until(lambda: sample(registry, "messages_received") == 12, "all to be received")
    assert (len(reader.receive(limit=1)), len(reader.receive()), reader.receive(timeout=AT_ONCE)) == (1, 1, [])
    requests = sqs.requests("receive_message")
    assert {(each["WaitTimeSeconds"], each["MaxNumberOfMessages"]) for each in requests} == {(POLL_SECONDS, 10)}
    assert POLL_SECONDS <= 5


def test_a_message_that_comes_again_says_how_often(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.give_back(reader.receive())
    assert [message.receive_count for message in reader.receive()] == [2]


def test_it_is_ready_once_a_receive_was_answered(sqs: FakeSqs, start_reader: StartReader) -> None:
    reader = start_reader()
    assert reader.state.trouble() == "not reached yet"
    reader.receive(timeout=AT_ONCE)
    wait_until(lambda: reader.state.trouble() is None, "the reader to be ready")


def test_an_unreachable_queue_is_logged_once_and_receiving_resumes(
    sqs: FakeSqs, start_reader: StartReader, log: RecordingLog
) -> None:
    sqs.add("a")
    sqs.faults.outage = True
    reader = start_reader()
    assert reader.receive(timeout=AT_ONCE) == []
    sqs.wait_for_calls("receive_message", 5)
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
    reader.receive(timeout=AT_ONCE)
    wait_until(lambda: len(backoff.used) >= 2, "the second receive")
    assert backoff.used[:2] == ["next", "reset"]


def test_a_message_is_in_one_hand_only_while_receives_repeat_it(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add("a")
    reader = start_reader()
    messages = reader.receive()
    sqs.clock.now += 61
    wait_until(lambda: sample(registry, "messages_received_again") == 1, "the message to come again")
    assert reader.receive(timeout=AT_ONCE) == []
    reader.delete(messages)
    wait_until(lambda: sqs.bodies() == [], "the message to be deleted by its newest receipt")


def test_a_pause_stops_receiving_until_it_is_over(sqs: FakeSqs, start_reader: StartReader) -> None:
    reader = start_reader()
    reader.pause()
    sqs.add("a")
    assert reader.receive(timeout=AT_ONCE) == []
    assert sqs.requests("receive_message") == []
    reader.resume()
    assert bodies(reader.receive()) == ["a"]


def test_many_owners_that_delete_one_by_one_lose_nothing_and_cost_a_fifth_of_a_call_each(
    sqs: FakeSqs, start_reader: StartReader
) -> None:
    sqs.add(*map(str, range(1000)))
    reader = start_reader(linger_seconds=3600.0)
    handled: list[str] = []

    def own() -> None:
        while len(handled) < 1000:
            for message in reader.receive(limit=3, timeout=AT_ONCE):
                handled.append(message.body)
                reader.delete([message])

    owners = [threading.Thread(target=own, daemon=True) for _ in range(4)]
    for owner in owners:
        owner.start()
    for owner in owners:
        owner.join(30)
    wait_until(lambda: sqs.bodies() == [], "all to be deleted")
    assert sorted(handled, key=int) == [str(number) for number in range(1000)]
    calls = len(sqs.requests("delete_message_batch"))
    full = [request for request in sqs.requests("receive_message") if request["MaxNumberOfMessages"] == 10]
    assert (calls, len(full)) == (100, len(sqs.requests("receive_message")))


# The stop


def test_stopping_cuts_the_wait_for_an_unreachable_queue_short(
    sqs: FakeSqs, start_reader: StartReader, stopping: threading.Event
) -> None:
    sqs.faults.outage = True
    reader = start_reader(backoff=Backoff(3600.0, 3600.0, random.Random(1)))
    receiving = threading.Thread(target=reader.receive, args=(10, 3600.0), daemon=True)
    receiving.start()
    wait_until(lambda: "Could not connect" in (reader.state.trouble() or ""), "the outage to be seen")
    stopping.set()
    receiving.join(SOON)
    assert not receiving.is_alive()
    reader.close()
    assert "posts-receiver" not in {thread.name for thread in threading.enumerate()}


def test_a_stop_gives_the_buffer_back_at_once_and_leaves_owners_what_they_have(
    sqs: FakeSqs, start_reader: StartReader, stopping: threading.Event, registry: CollectorRegistry
) -> None:
    sqs.add(*map(str, range(25)))
    reader = start_reader()
    held = reader.receive()
    wait_until(lambda: sample(registry, "messages_received") == 25, "the buffer to be filled")
    stopping.set()
    wait_until(lambda: len(sqs.visible()) == 15, "the buffer to be given back")
    before = len(sqs.requests("receive_message"))
    assert reader.receive() == []
    reader.delete(held)
    wait_until(lambda: len(sqs.bodies()) == 15, "the messages in hand to be deleted")
    assert len(sqs.requests("receive_message")) == before


def test_what_a_long_poll_under_way_brings_after_the_stop_is_given_back_at_once(
    sqs: FakeSqs, start_reader: StartReader, stopping: threading.Event, registry: CollectorRegistry
) -> None:
    sqs.faults.gate.clear()
    reader = start_reader()
    owner = threading.Thread(target=reader.receive, args=(10, 3600.0), daemon=True)
    owner.start()
    sqs.wait_for_a_call_at_the_gate()
    stopping.set()
    owner.join(SOON)
    assert not owner.is_alive()
    sqs.add("a", "b")
    sqs.faults.gate.set()
    wait_until(lambda: sample(registry, "messages_given_back") == 2, "the messages to be given back")
    assert sqs.visible() == ["a", "b"]


def test_a_reader_that_is_stopped_before_it_began_never_begins(
    sqs: FakeSqs, start_reader: StartReader, stopping: threading.Event
) -> None:
    sqs.add("a")
    stopping.set()
    reader = start_reader()
    assert reader.receive() == []
    reader.close()
    assert sqs.calls == []


# Deleting


def test_deleted_messages_are_gone_in_batches_of_ten(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry
) -> None:
    sqs.add(*map(str, range(13)))
    reader = start_reader()
    reader.delete(receive(reader, 13))
    wait_until(lambda: sample(registry, "messages_deleted") == 13, "the messages to be deleted")
    assert sqs.bodies() == []
    assert [len(request["Entries"]) for request in sqs.requests("delete_message_batch")] == [10, 3]


def test_an_entry_that_could_not_be_deleted_is_tried_again_alone(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a", "b", "c")
    reader = start_reader()
    messages = receive(reader, 3)
    faults = [("InternalError", False)]
    sqs.faults.of_entry = lambda _operation, entry: (
        faults.pop() if faults and entry["ReceiptHandle"] == messages[1].receipt_handle else None
    )
    reader.delete(messages)
    wait_until(lambda: sqs.bodies() == [], "the messages to be deleted")
    assert [len(request["Entries"]) for request in sqs.requests("delete_message_batch")] == [3, 1]


def test_what_cannot_be_deleted_shows_on_readiness_while_it_waits(
    sqs: FakeSqs, start_reader: StartReader, log: RecordingLog
) -> None:
    sqs.add("a")
    reader = start_reader()
    messages = receive(reader, 1)
    sqs.faults.of_call = lambda operation, _request: (
        client_error("AccessDenied") if operation == "delete_message_batch" else None
    )
    reader.delete(messages)
    wait_until(lambda: "AccessDenied" in (reader.state.trouble() or ""), "the trouble to be seen")
    sqs.faults.of_call = lambda _operation, _request: None
    wait_until(lambda: sqs.bodies() == [], "the message to be deleted", 10.0)
    wait_until(lambda: reader.state.trouble() is None, "the reader to be ready")
    assert log.events == ["cannot be reached, trying again", "reachable again"]


# Giving back


def test_a_message_given_back_with_a_delay_is_visible_after_it(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.give_back(reader.receive(), delay_seconds=300)
    sqs.clock.now += 299
    assert reader.receive(timeout=AT_ONCE) == []
    sqs.clock.now += 1
    assert bodies(reader.receive()) == ["a"]


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
    wait_until(lambda: sqs.bodies() == [], "the message to be deleted")
    assert sample(registry, "messages_dead_lettered") == 1


def test_a_message_leaves_its_queue_only_after_the_dead_letters_accepted_it(
    sqs: FakeSqs, start_reader: StartReader
) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.dead_letter(reader.receive()[0], "reason")
    sqs.wait_for_calls("delete_message_batch", 1)
    assert [operation for operation, _request in sqs.calls if operation != "receive_message"] == [
        "send_message",
        "delete_message_batch",
    ]


@pytest.mark.parametrize(
    "error",
    [
        client_error("ServiceUnavailable"),
        RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
    ],
)
def test_a_message_stays_while_the_dead_letters_cannot_be_reached(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry, error: Exception
) -> None:
    sqs.add("a")
    reader = start_reader()
    sqs.faults.of_call = lambda operation, _request: error if operation == "send_message" else None
    reader.dead_letter(reader.receive()[0], "reason")
    assert (sqs.bodies(), sqs.bodies(DEAD_LETTERS_URL)) == (["a"], [])
    sqs.clock.now += 59
    assert reader.receive(timeout=AT_ONCE) == []
    sqs.clock.now += 1
    assert bodies(reader.receive()) == ["a"]
    assert not sample(registry, "messages_dead_lettered")


def test_a_message_that_was_settled_does_not_become_a_dead_letter(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader()
    (message,) = reader.receive()
    reader.delete([message])
    reader.dead_letter(message, "reason")
    assert sqs.bodies(DEAD_LETTERS_URL) == []


# Heartbeat


def test_a_heartbeat_keeps_a_message_hidden_beyond_its_timeout(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader(visibility_timeout=1)
    messages = reader.receive()
    for _ in range(3):
        sqs.clock.now += 0.9  # the queue's clock, which is not the reader's
        wait_until(lambda: sqs.queues[URL][0].visible_at >= sqs.clock() + 1, "the message to be prolonged")
    reader.delete(messages)
    wait_until(lambda: sqs.bodies() == [], "the message to be deleted")


# Closing


def test_close_gives_back_what_is_held(sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry) -> None:
    sqs.add(*map(str, range(32)))
    reader = start_reader()
    held = reader.receive()
    wait_until(lambda: sample(registry, "messages_received") == 32, "the buffer to be filled")
    reader.delete(held[:1])
    reader.close()
    assert sqs.visible() == [str(number) for number in range(1, 32)]


def test_close_waits_for_what_the_stop_is_giving_back(
    sqs: FakeSqs, start_reader: StartReader, registry: CollectorRegistry, stopping: threading.Event
) -> None:
    sqs.add(*map(str, range(20)))
    reader = start_reader()
    reader.delete(reader.receive())
    wait_until(lambda: sqs.bodies() == sqs.bodies()[-10:], "the first ten to be deleted")
    # all that is left lies in the buffer: an answer that is slow must not outlast the process
    never = threading.Event()

    def is_slow_to_hide(operation: str, _request: Any) -> None:
        if operation == "change_message_visibility_batch":
            never.wait(0.2)

    sqs.faults.of_call = is_slow_to_hide
    stopping.set()
    sqs.wait_for_calls("change_message_visibility_batch", 1)
    reader.close()
    assert sorted(map(int, sqs.visible())) == list(range(10, 20))


def test_close_deletes_what_is_to_be_deleted_without_lingering(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add(*map(str, range(12)))
    reader = start_reader(linger_seconds=3600.0)
    reader.delete(receive(reader, 12))
    reader.close()
    assert sqs.bodies() == []


def test_close_with_nothing_held_calls_nothing(sqs: FakeSqs, start_reader: StartReader) -> None:
    start_reader().close()
    assert sqs.calls == []


def test_close_twice_is_as_once(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a")
    reader = start_reader()
    reader.receive()
    reader.close()
    reader.close()
    assert sqs.visible() == ["a"]
    assert len(sqs.requests("change_message_visibility_batch")) == 1


def test_what_is_settled_after_close_was_given_back_and_stays_so(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a", "b", "c")
    reader = start_reader()
    first, second, third = receive(reader, 3)
    reader.close()
    reader.delete([first])
    reader.give_back([second], delay_seconds=600)
    reader.dead_letter(third, "reason")
    assert (sqs.visible(), sqs.bodies(DEAD_LETTERS_URL)) == (["a", "b", "c"], [])


def test_close_with_an_unreachable_queue_tries_a_few_times_and_says_what_comes_again(
    sqs: FakeSqs, start_reader: StartReader, log: RecordingLog
) -> None:
    sqs.add("a", "b")
    reader = start_reader()
    first, _second = receive(reader, 2)
    sqs.faults.outage = True
    reader.delete([first])
    reader.close()
    assert len(sqs.requests("change_message_visibility_batch")) == 3
    assert (
        "warning",
        "messages could not be deleted and will come again",
        {"queue": "posts", "messages": 1},
    ) in log.lines
    said = "messages could not be given back and come again after their timeout"
    assert ("warning", said, {"queue": "posts", "messages": 1}) in log.lines


def test_close_ends_in_its_time_though_no_call_comes_back(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.add("a", "b")
    reader = start_reader()
    first, _second = receive(reader, 2)
    sqs.faults.gate.clear()
    reader.delete([first])
    closing = threading.Thread(target=reader.close, args=(0.05,), daemon=True)
    closing.start()
    closing.join(SOON)
    assert not closing.is_alive()


def test_close_waits_for_a_receive_that_is_under_way(sqs: FakeSqs, start_reader: StartReader) -> None:
    sqs.faults.gate.clear()
    reader = start_reader()
    reader.receive(timeout=AT_ONCE)
    sqs.wait_for_a_call_at_the_gate()
    closing = threading.Thread(target=reader.close, daemon=True)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    sqs.add("a")
    sqs.faults.gate.set()
    closing.join(SOON)
    assert not closing.is_alive()
    assert sqs.visible() == ["a"]


def test_the_time_of_a_close_is_that_of_a_drain_and_for_a_late_receive_that_of_its_poll(
    sqs: FakeSqs, start_reader: StartReader
) -> None:
    now = [1000.0]
    reader = start_reader(clock=lambda: now[0])
    assert reader._seconds_to_close() == GIVE_BACK_SECONDS == 3.0
    reader.receiving.poll_began_at = 999.0
    assert reader._seconds_to_close() == POLL_SECONDS
    reader.receiving.poll_began_at = 990.0
    assert reader._seconds_to_close() == GIVE_BACK_SECONDS


# Crashes: bugs, not what the queue does


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[threading.ExceptHookArgs]:
    """What came to threading.excepthook, by which a service ends."""
    crashes: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", crashes.append)
    return crashes


def crash(part: object, method: str) -> None:
    def fail(*_arguments: object) -> Any:
        raise ValueError("a bug")

    setattr(part, method, fail)


@pytest.mark.parametrize(
    ("part", "method", "name"),
    [("receiving", "receive", "receiver"), ("heartbeat", "beat", "heartbeat"), ("deletions", "send", "deletions")],
)
def test_a_crash_of_a_thread_reaches_its_owners_and_readiness(
    sqs: FakeSqs,
    start_reader: StartReader,
    crashes: list[threading.ExceptHookArgs],
    part: str,
    method: str,
    name: str,
) -> None:
    sqs.add("a")
    reader = start_reader()
    messages = receive(reader, 1)
    outcome: list[BaseException] = []

    def own() -> None:
        try:
            while True:
                reader.receive(timeout=3600.0)
        except ReaderCrashed as crashed:
            outcome.append(crashed)

    owner = threading.Thread(target=own, daemon=True)
    owner.start()
    crash(getattr(reader, part), method)
    reader.delete(messages)
    owner.join(SOON)
    (crashed,) = outcome
    assert str(crashed) == f"the {name} of the reader of queue posts crashed: ValueError('a bug')"
    assert isinstance(crashed.__cause__, ValueError)
    assert reader.state.trouble() == str(crashed)
    with pytest.raises(ReaderCrashed):
        reader.receive()
    wait_until(lambda: [hook.exc_value for hook in crashes] == [crashed.__cause__], "the hook to be told")


def test_a_reader_that_crashed_still_gives_back_what_it_holds(
    sqs: FakeSqs, start_reader: StartReader, crashes: list[threading.ExceptHookArgs], registry: CollectorRegistry
) -> None:
    sqs.add(*map(str, range(12)))
    reader = start_reader()
    reader.receive()
    wait_until(lambda: sample(registry, "messages_received") == 12, "the buffer to be filled")
    crash(reader.heartbeat, "beat")
    wait_until(lambda: crashes, "the crash")
    reader.close()
    assert len(sqs.visible()) == 12
