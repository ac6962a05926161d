"""The writer sends in full batches, and each message's owner is told exactly once what became of it."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from prometheus_client import CollectorRegistry

import pipeline.connection_state
import pipeline.queue_writer
from pipeline.backoff import Backoff
from pipeline.errors import Unsendable, WriterClosed
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter
from pipeline.sqs_rules import BATCH_BYTES, message_size
from tests.support.fake_sqs import URL, FakeSqs, client_error
from tests.support.polling import wait_until
from tests.support.recording_log import record_log

SOON = 5.0
StartWriter = Callable[..., QueueWriter]


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def start_writer(sqs: FakeSqs, registry: CollectorRegistry) -> Iterator[StartWriter]:
    started: list[QueueWriter] = []

    def start(name: str = "posts", backoff: Backoff | None = None, **options: Any) -> QueueWriter:
        backoff = backoff or Backoff(0.002, 0.005, random.Random(1))
        options = {"linger_seconds": 0.01} | options
        writer = QueueWriter(sqs.client, URL, name, QueueMetrics(registry), backoff, **options)
        started.append(writer)
        return writer

    yield start
    sqs.faults.gate.set()
    for writer in started:
        writer.close(0.0)


def hold_back(sqs: FakeSqs, writer: QueueWriter) -> None:
    """Lets the writer reach its queue, and stops the next calls at a gate."""
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")
    sqs.faults.gate.clear()


def senders_of(name: str) -> list[str]:
    """The threads of a writer that are alive."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(f"{name}-writer")]


def sample(registry: CollectorRegistry, name: str) -> float | None:
    return registry.get_sample_value(name, {"queue": "posts"})


def fail_once(*bodies: str, code: str = "InternalError", sender_fault: bool = False) -> Any:
    """Entry faults: each of these bodies fails at its first try."""
    left = set(bodies)

    def fault(_operation: str, entry: Mapping[str, Any]) -> tuple[str, bool] | None:
        if entry["MessageBody"] in left:
            left.remove(entry["MessageBody"])
            return code, sender_fault
        return None

    return fault


# Batches


def test_a_message_is_accepted_with_its_attributes(sqs: FakeSqs, start_writer: StartWriter) -> None:
    start_writer().put("a", {"trace_id": "t-1"}, delay_seconds=7).result(SOON)
    (message,) = sqs.queues[URL]
    assert message.body == "a"
    assert message.attributes == {"trace_id": {"DataType": "String", "StringValue": "t-1"}}
    assert message.visible_at == sqs.clock() + 7


def test_messages_go_in_batches_of_ten(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer(linger_seconds=3600.0)
    hold_back(sqs, writer)
    futures = [writer.put(str(number)) for number in range(25)]
    sqs.faults.gate.set()
    assert writer.flush(SOON)
    for future in futures:
        future.result(0)
    assert sorted(len(batch) for batch in sqs.batches()) == [5, 10, 10]
    assert Counter(sqs.bodies()) == Counter(str(number) for number in range(25))


def test_a_batch_has_at_most_one_mebibyte(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer()
    hold_back(sqs, writer)
    bodies = [letter * (BATCH_BYTES // 2) for letter in "abcd"] + ["e"]
    futures = [writer.put(body) for body in bodies]
    sqs.faults.gate.set()
    for future in futures:
        future.result(SOON)
    assert sorted(sqs.bodies()) == bodies
    assert max(sum(map(len, batch)) for batch in sqs.batches()) <= BATCH_BYTES
    assert len(sqs.batches()) < len(bodies)


def test_attributes_count_in_a_batch(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer()
    hold_back(sqs, writer)
    half = "a" * (BATCH_BYTES // 2)
    futures = [writer.put(half, {"trace_id": "t"}), writer.put(half, {"trace_id": "t"})]
    sqs.faults.gate.set()
    for future in futures:
        future.result(SOON)
    assert [len(batch) for batch in sqs.batches()] == [1, 1]


def test_a_message_waits_for_company_only_for_the_linger_time(sqs: FakeSqs, start_writer: StartWriter) -> None:
    asked = threading.Event()
    now = [0.0]

    def clock() -> float:
        asked.set()
        return now[0]

    writer = start_writer(linger_seconds=3600.0, clock=clock)
    first = writer.put("a")
    assert asked.wait(SOON)
    assert not first.done()
    now[0] = 3601.0
    writer.put("b").result(SOON)
    first.result(SOON)
    assert sqs.batches() == [["a", "b"]]


def test_a_full_batch_does_not_wait_for_the_linger_time(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer(linger_seconds=3600.0)
    futures = [writer.put(str(number)) for number in range(10)]
    for future in futures:
        future.result(SOON)
    assert [len(batch) for batch in sqs.batches()] == [10]


def test_a_batch_that_is_full_in_bytes_does_not_wait_either(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer(linger_seconds=3600.0)
    futures = [writer.put("a" * (BATCH_BYTES // 2)), writer.put("b" * (BATCH_BYTES // 2))]
    for future in futures:
        future.result(SOON)
    assert [len(batch) for batch in sqs.batches()] == [2]


def test_what_is_sent_and_what_waits_is_counted(
    sqs: FakeSqs, start_writer: StartWriter, registry: CollectorRegistry
) -> None:
    writer = start_writer()
    hold_back(sqs, writer)
    future = writer.put("four")
    assert sample(registry, "queue_writer_buffered_bytes") == 4
    sqs.faults.gate.set()
    future.result(SOON)
    assert sample(registry, "queue_writer_buffered_bytes") == 0
    wait_until(lambda: sample(registry, "queue_messages_sent_total") == 1, "the message to be counted")


# Failures


def test_an_entry_that_failed_is_sent_again_and_its_neighbours_are_not(
    sqs: FakeSqs, start_writer: StartWriter, registry: CollectorRegistry
) -> None:
    sqs.faults.of_entry = fail_once("b", "d")
    writer = start_writer()
    hold_back(sqs, writer)
    futures = [writer.put(body) for body in "abcde"]
    sqs.faults.gate.set()
    for future in futures:
        future.result(SOON)
    assert Counter(sqs.bodies()) == Counter("abcde")
    assert Counter(body for batch in sqs.batches() for body in batch) == Counter("abcdebd")
    assert sample(registry, "queue_send_failures_total") == 2


def test_an_entry_refused_for_its_content_is_unsendable_and_its_neighbours_pass(
    sqs: FakeSqs, start_writer: StartWriter, registry: CollectorRegistry
) -> None:
    writer = start_writer()
    hold_back(sqs, writer)
    good, bad, other = writer.put("a"), writer.put("b\uffff"), writer.put("c")
    sqs.faults.gate.set()
    with pytest.raises(Unsendable, match="InvalidMessageContents it is"):
        bad.result(SOON)
    good.result(SOON)
    other.result(SOON)
    assert sorted(sqs.bodies()) == ["a", "c"]
    assert Counter(body for batch in sqs.batches() for body in batch)["b\uffff"] == 1
    assert sample(registry, "queue_messages_unsendable_total") == 1


def test_a_refusal_may_come_with_its_namespace(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.of_entry = fail_once("a", code="AWS.SimpleQueueService.InvalidMessageContents", sender_fault=True)
    with pytest.raises(Unsendable):
        start_writer().put("a").result(SOON)


def test_a_fault_of_the_sender_that_can_be_mended_is_waited_out(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.of_entry = fail_once("a", code="KmsAccessDenied", sender_fault=True)
    start_writer().put("a").result(SOON)
    assert sqs.bodies() == ["a"]


def test_a_refused_batch_is_split_so_that_only_the_culprit_is_unsendable(
    sqs: FakeSqs, start_writer: StartWriter
) -> None:
    def refuse(operation: str, request: Mapping[str, Any]) -> Exception | None:
        bodies = [entry["MessageBody"] for entry in request.get("Entries", [])]
        return client_error("InvalidMessageContents") if "bad" in bodies else None

    sqs.faults.of_call = refuse
    writer = start_writer()
    hold_back(sqs, writer)
    futures = {body: writer.put(body) for body in ("a", "bad", "c")}
    sqs.faults.gate.set()
    with pytest.raises(Unsendable, match="InvalidMessageContents"):
        futures["bad"].result(SOON)
    futures["a"].result(SOON)
    futures["c"].result(SOON)
    assert sorted(sqs.bodies()) == ["a", "c"]


def test_a_batch_that_is_too_long_for_the_queue_is_split(sqs: FakeSqs, start_writer: StartWriter) -> None:
    def refuse(operation: str, request: Mapping[str, Any]) -> Exception | None:
        too_long = len(request.get("Entries", [])) > 1
        return client_error("AWS.SimpleQueueService.BatchRequestTooLong") if too_long else None

    sqs.faults.of_call = refuse
    writer = start_writer()
    hold_back(sqs, writer)
    futures = [writer.put(body) for body in "abc"]
    sqs.faults.gate.set()
    for future in futures:
        future.result(SOON)
    assert sorted(sqs.bodies()) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "error",
    [
        client_error("RequestThrottled"),
        client_error("AccessDenied"),
        client_error("AWS.SimpleQueueService.NonExistentQueue"),
        ReadTimeoutError(endpoint_url=URL),
    ],
)
def test_a_call_that_failed_is_made_again(sqs: FakeSqs, start_writer: StartWriter, error: Exception) -> None:
    errors = [error]
    sqs.faults.of_call = lambda operation, _request: (
        errors.pop() if errors and operation == "send_message_batch" else None
    )
    start_writer().put("a").result(SOON)
    assert (sqs.bodies(), len(sqs.batches())) == (["a"], 2)


def test_an_outage_is_waited_out_and_nothing_is_lost_or_doubled(
    sqs: FakeSqs, start_writer: StartWriter, registry: CollectorRegistry
) -> None:
    writer = start_writer()
    hold_back(sqs, writer)
    futures = [writer.put(str(number)) for number in range(30)]
    sqs.faults.outage = True
    sqs.faults.gate.set()
    sqs.wait_for_calls("send_message_batch", 5)
    assert sqs.bodies() == []
    assert not any(future.done() for future in futures)
    sqs.faults.outage = False
    for future in futures:
        future.result(SOON)
    assert Counter(sqs.bodies()) == Counter(str(number) for number in range(30))
    wait_until(lambda: sample(registry, "queue_messages_sent_total") == 30, "the messages to be counted")


def test_an_outage_is_logged_once_and_its_end_too(
    sqs: FakeSqs, start_writer: StartWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = record_log(monkeypatch, pipeline.connection_state)
    sqs.faults.outage = True
    writer = start_writer()
    sqs.wait_for_calls("get_queue_attributes", 3)
    future = writer.put("a")
    sqs.wait_for_calls("send_message_batch", 3)
    sqs.faults.outage = False
    future.result(SOON)
    wait_until(lambda: len(log.lines) == 2, "the end of the outage to be logged")
    assert log.events == ["cannot be reached, trying again", "reachable again"]
    assert log.lines[0][2]["what"] == "sending to queue posts"


def test_what_cannot_be_encoded_is_unsendable(start_writer: StartWriter) -> None:
    writer = start_writer()
    with pytest.raises(Unsendable, match="surrogates not allowed"):
        writer.put("a\ud800").result(SOON)
    with pytest.raises(Unsendable, match="surrogates not allowed"):
        writer.put("a", {"label": "\udfff"}).result(SOON)


# Size and buffer


def test_a_message_of_the_largest_size_is_accepted(sqs: FakeSqs, start_writer: StartWriter) -> None:
    attributes = {"trace_id": "t"}
    body = "a" * (BATCH_BYTES - message_size("", attributes))
    start_writer().put(body, attributes).result(SOON)
    assert sqs.bodies() == [body]


def test_a_message_one_byte_larger_is_unsendable_and_never_sent(
    sqs: FakeSqs, start_writer: StartWriter, registry: CollectorRegistry
) -> None:
    writer = start_writer()
    with pytest.raises(Unsendable, match="a message of 1048577 bytes, and the queue takes at most 1048576"):
        writer.put("é" + "a" * (BATCH_BYTES - 1)).result(0)
    writer.put("b").result(SOON)
    assert sqs.batches() == [["b"]]
    assert sample(registry, "queue_messages_unsendable_total") == 1


def test_a_full_buffer_blocks_its_producer_until_there_is_room(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer(max_buffered_bytes=10)
    hold_back(sqs, writer)
    writer.put("a" * 8)
    producing, produced = threading.Event(), threading.Event()

    def produce() -> None:
        producing.set()
        writer.put("b" * 8).result(SOON)
        produced.set()

    producer = threading.Thread(target=produce)
    producer.start()
    producing.wait(SOON)
    producer.join(0.05)
    assert producer.is_alive()
    sqs.wait_for_calls("send_message_batch", 1)
    assert sqs.batches() == [["a" * 8]]
    sqs.faults.gate.set()
    assert produced.wait(SOON)
    assert sqs.batches() == [["a" * 8], ["b" * 8]]
    producer.join(SOON)


def test_an_empty_buffer_takes_a_message_larger_than_itself(sqs: FakeSqs, start_writer: StartWriter) -> None:
    start_writer(max_buffered_bytes=10).put("a" * 100).result(SOON)
    assert sqs.bodies() == ["a" * 100]


def test_a_full_buffer_can_be_told_to_refuse(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer(max_buffered_bytes=10)
    hold_back(sqs, writer)
    first = writer.put("a" * 8)
    waiting: list[BaseException | None] = []
    producer = threading.Thread(target=lambda: waiting.append(writer.put("b" * 8).exception(SOON)))
    producer.start()
    writer.refuse_when_full()
    producer.join(SOON)
    assert [type(error) for error in waiting] == [WriterClosed]
    assert isinstance(writer.put("c" * 8).exception(0), WriterClosed)
    small = writer.put("d")
    sqs.faults.gate.set()
    first.result(SOON)
    small.result(SOON)
    assert sorted(sqs.bodies()) == ["a" * 8, "d"]


# Closing


def test_close_sends_what_waits(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer(linger_seconds=3600.0)
    futures = [writer.put(str(number)) for number in range(13)]
    assert writer.close(SOON) is True
    assert Counter(sqs.bodies()) == Counter(str(number) for number in range(13))
    assert all(future.done() and future.exception() is None for future in futures)


def test_close_waits_out_a_short_outage(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.outage = True
    writer = start_writer()
    future = writer.put("a")
    sqs.wait_for_calls("send_message_batch", 2)
    closing = threading.Thread(target=writer.close, args=(SOON,))
    closing.start()
    sqs.wait_for_calls("send_message_batch", 4)
    sqs.faults.outage = False
    closing.join(SOON)
    future.result(0)
    assert sqs.bodies() == ["a"]


def test_close_with_a_dead_queue_ends_in_time_and_tells_each_owner(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.outage = True
    writer = start_writer("dead")
    futures = [writer.put(str(number)) for number in range(15)]
    sqs.wait_for_calls("send_message_batch", 1)
    assert len(senders_of("dead")) == 2
    assert writer.close(0.05) is False
    for future in futures:
        assert isinstance(future.exception(0), WriterClosed)
    assert senders_of("dead") == []


def test_close_does_not_wait_for_the_end_of_a_backoff(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer("patient", backoff=Backoff(3600.0, 3600.0, random.Random(1)))
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")
    sqs.faults.outage = True
    future = writer.put("a")
    sqs.wait_for_calls("send_message_batch", 1)
    assert writer.close(0.0) is False
    assert isinstance(future.exception(0), WriterClosed)
    assert senders_of("patient") == []


def test_close_of_a_writer_that_never_reached_its_queue_ends_in_time(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.outage = True
    writer = start_writer()
    sqs.wait_for_calls("get_queue_attributes", 2)
    assert writer.close(SOON) is True


def test_an_entry_of_which_the_answer_says_nothing_is_sent_again(sqs: FakeSqs, start_writer: StartWriter) -> None:
    real = sqs.send_message_batch
    answers: list[Any] = []

    def forgetful(**request: Any) -> Any:
        answers.append(real(**request))
        return answers[-1] if len(answers) > 1 else {"Successful": answers[-1]["Successful"][:1]}

    sqs.send_message_batch = forgetful  # type: ignore[method-assign]
    writer = start_writer(linger_seconds=0.2)
    futures = [writer.put(body) for body in "abc"]
    assert [future.exception(SOON) for future in futures] == [None] * 3
    assert len(answers) >= 2
    assert writer.close(SOON) is True


def test_close_with_nothing_to_send_does_not_wait_for_a_queue_that_is_away(
    sqs: FakeSqs, start_writer: StartWriter
) -> None:
    sqs.faults.outage = True
    writer = start_writer(backoff=Backoff(60.0, 60.0, random.Random(1)))
    wait_until(lambda: writer.state.trouble() != "not reached yet", "the first refusal")
    closing = threading.Thread(target=writer.close, args=(60.0,))
    closing.start()
    closing.join(SOON)
    assert not closing.is_alive()


def test_a_message_in_a_call_that_outlasts_close_is_told_too(
    sqs: FakeSqs, start_writer: StartWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = start_writer()
    hold_back(sqs, writer)
    future = writer.put("a")
    sqs.wait_for_calls("send_message_batch", 1)
    monkeypatch.setattr(pipeline.queue_writer, "_LAST_CALL_SECONDS", 0.0)
    assert writer.close(0.0) is False
    assert not future.done()
    sqs.faults.outage = True
    sqs.faults.gate.set()
    assert isinstance(future.exception(SOON), WriterClosed)


def test_a_message_accepted_after_close_gave_up_is_told_as_accepted(
    sqs: FakeSqs, start_writer: StartWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = start_writer()
    hold_back(sqs, writer)
    future = writer.put("a")
    sqs.wait_for_calls("send_message_batch", 1)
    monkeypatch.setattr(pipeline.queue_writer, "_LAST_CALL_SECONDS", 0.0)
    assert writer.close(0.0) is False
    sqs.faults.gate.set()
    assert future.exception(SOON) is None


def test_put_after_close_is_refused(sqs: FakeSqs, start_writer: StartWriter) -> None:
    writer = start_writer()
    writer.close(SOON)
    with pytest.raises(WriterClosed, match="the writer of queue posts is closing"):
        writer.put("a").result(0)
    assert sqs.batches() == []


def test_close_releases_a_producer_that_waits_for_room(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.outage = True
    writer = start_writer(max_buffered_bytes=10)
    writer.put("a" * 8)
    waiting: list[BaseException | None] = []
    producer = threading.Thread(target=lambda: waiting.append(writer.put("b" * 8).exception(SOON)))
    producer.start()
    writer.close(0.0)
    producer.join(SOON)
    assert [type(error) for error in waiting] == [WriterClosed]


# Readiness


def test_the_queue_is_reached_before_there_is_anything_to_send(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.gate.clear()
    writer = start_writer()
    assert writer.state.trouble() == "not reached yet"
    sqs.faults.gate.set()
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")
    assert sqs.requests("get_queue_attributes") == [{"QueueUrl": URL, "AttributeNames": ["QueueArn"]}]


def test_readiness_follows_an_outage(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.outage = True
    writer = start_writer()
    wait_until(lambda: "Could not connect" in (writer.state.trouble() or ""), "the outage to be seen")
    sqs.faults.outage = False
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")
    sqs.faults.outage = True
    future = writer.put("a")
    wait_until(lambda: writer.state.trouble() is not None, "the outage to be seen")
    sqs.faults.outage = False
    future.result(SOON)
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")


def test_a_client_that_may_only_send_is_ready(sqs: FakeSqs, start_writer: StartWriter) -> None:
    sqs.faults.of_call = lambda operation, _request: (
        client_error("AccessDenied") if operation == "get_queue_attributes" else None
    )
    writer = start_writer()
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")


def test_entries_that_all_fail_make_it_not_ready(sqs: FakeSqs, start_writer: StartWriter) -> None:
    failing = threading.Event()
    failing.set()
    sqs.faults.of_entry = lambda _operation, _entry: ("InternalError", False) if failing.is_set() else None
    writer = start_writer()
    future = writer.put("a")
    wait_until(lambda: writer.state.trouble() == "InternalError it is", "the failure to be seen")
    failing.clear()
    future.result(SOON)
    wait_until(lambda: writer.state.trouble() is None, "the queue to be reached")
