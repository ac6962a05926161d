"""Deletions in batches: owners wait for none, and what can be deleted is, whatever the queue does meanwhile."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import pipeline.connection_state
import pipeline.deletions
import pipeline.reader_metrics
from pipeline.deletions import MANY
from pipeline.queue_reader import ReceivedMessage
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log
from tests.support.stepped_reader import SteppedReader
from tests.support.strict_sqs import ExpiredReceipts
from tests.support.strict_sqs.faults import (
    ACCESS_DENIED,
    REQUEST_THROTTLED,
    EntryFails,
    LosesAnswer,
    NeverArrives,
    Refuses,
    Waits,
)

DELETE = "DeleteMessageBatch"
EXPIRED = "receipts expired, the messages come again"
GIVEN_UP = "messages could not be deleted and will come again"


@pytest.fixture
def bench() -> SteppedReader:
    return SteppedReader()


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.connection_state, pipeline.deletions, pipeline.reader_metrics)


def sizes(bench: SteppedReader) -> list[int]:
    return [len(request["Entries"]) for request in bench.sqs.calls.requests(DELETE)]


def test_an_owner_waits_for_no_call(bench: SteppedReader) -> None:
    bench.reader.delete(bench.receive("a", "b"))
    assert (bench.calls(DELETE), bench.reader.deletions.waiting) == (0, 2)
    bench.reader.deletions.send()
    assert (bench.deleted(), bench.reader.deletions.waiting) == (["a", "b"], 0)
    assert bench.count("messages_deleted") == 2


def test_a_deletion_that_waits_is_no_trouble(bench: SteppedReader) -> None:
    bench.reader.delete(bench.receive("a"))
    assert bench.reader.state.trouble() is None


def test_messages_that_are_deleted_one_by_one_share_their_calls(bench: SteppedReader) -> None:
    messages = [*bench.receive(*map(str, range(10))), *bench.receive("10", "11", "12")]
    for message in messages:
        bench.reader.delete([message])
    bench.delete_waiting()
    assert sizes(bench) == [10, 3]


def test_deleting_nothing_calls_nothing(bench: SteppedReader) -> None:
    bench.reader.delete([])
    assert bench.reader.deletions.send() == 0
    assert bench.calls(DELETE) == 0


def test_what_waits_to_be_deleted_stays_hidden(bench: SteppedReader) -> None:
    bench.reader.delete(bench.receive("a"))
    bench.pass_time(500)
    assert bench.receive_elsewhere() == []


@pytest.mark.parametrize(
    "fault", [NeverArrives(), REQUEST_THROTTLED, ACCESS_DENIED, LosesAnswer(), LosesAnswer(by_silence=True)], ids=str
)
def test_an_outage_of_the_queue_is_waited_out_and_told_once(
    bench: SteppedReader, log: RecordingLog, fault: Refuses
) -> None:
    bench.reader.delete(bench.receive("a", "b"))
    bench.sqs.faults.on(DELETE, fault, times=20)
    for _ in range(20):
        assert bench.reader.deletions.send() > 0
        assert bench.reader.deletions.waiting == 2
    bench.delete_waiting()
    assert bench.deleted() == ["a", "b"]
    assert log.events == ["cannot be reached, trying again", "reachable again"]


def test_an_entry_that_fails_is_tried_again_after_a_rest_in_which_others_pass(bench: SteppedReader) -> None:
    messages = bench.receive(*map(str, range(10)))
    bench.sqs.faults.on_entries(DELETE, EntryFails(), times=2)
    bench.reader.delete(messages)
    bench.reader.deletions.send()
    bench.reader.delete(bench.receive("10"))
    bench.reader.deletions.send()
    bench.reader.deletions.send()
    assert sizes(bench) == [10, 1]
    bench.clock.advance(0.5)
    bench.reader.deletions.send()
    assert sizes(bench) == [10, 1, 2]
    assert len(bench.deleted()) == 11


def test_an_entry_that_fails_again_and_again_is_let_go_and_said(bench: SteppedReader, log: RecordingLog) -> None:
    (unlucky, lucky) = bench.receive("a", "b")
    bench.sqs.faults.on_entries(
        DELETE, EntryFails(), times=None, where=lambda entry: entry["ReceiptHandle"] == unlucky.receipt_handle
    )
    bench.reader.delete([unlucky, lucky])
    bench.delete_waiting()
    assert bench.reader.deletions.waiting == 0
    assert sizes(bench) == [2, 1, 1, 1, 1, 1]
    assert bench.deleted() == ["b"]
    assert log.lines == [("warning", GIVEN_UP, {"queue": "posts", "messages": 1})]
    bench.pass_time(60)
    assert bench.receive_elsewhere() == ["a"]


def test_an_entry_that_failed_though_it_was_done_is_deleted_all_the_same(bench: SteppedReader) -> None:
    bench.reader.delete(bench.receive("a"))
    bench.sqs.faults.on_entries(DELETE, EntryFails(happened=True))
    bench.delete_waiting()
    assert (bench.deleted(), bench.count("messages_deleted")) == (["a"], 1)


def test_a_batch_that_is_refused_for_one_of_it_does_not_hold_up_the_others_for_ever(
    bench: SteppedReader, log: RecordingLog
) -> None:
    messages = [*bench.receive(*map(str, range(10))), *bench.receive(*map(str, range(10, 20)))]
    bench.sqs.faults.on(
        DELETE,
        Refuses("InvalidParameterValueException"),
        times=None,
        where=lambda request: any(e["ReceiptHandle"] == messages[0].receipt_handle for e in request["Entries"]),
    )
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert bench.reader.deletions.waiting == 0
    assert len(bench.deleted()) >= 10


# Receipts that SQS holds for nothing


def test_an_expired_receipt_is_tried_once_counted_once_and_said_once(bench: SteppedReader, log: RecordingLog) -> None:
    messages = bench.receive("a", "b")
    bench.clock.advance(61)
    bench.reader.delete(messages)
    bench.delete_waiting()
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert sizes(bench) == [2]
    assert log.lines == [("warning", EXPIRED, {"queue": "posts", "messages": 2})]
    assert bench.count("claims_lost") == 2


def test_a_claim_that_lapsed_while_its_owner_worked_is_not_counted_again(
    bench: SteppedReader, log: RecordingLog
) -> None:
    messages = bench.receive("a")
    bench.clock.advance(61)
    bench.beat()
    assert log.events == [EXPIRED]
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert (log.events, bench.count("claims_lost"), sizes(bench)) == ([EXPIRED], 1, [1])


def test_a_receipt_that_has_expired_is_tried_for_sqs_may_take_it() -> None:
    bench = SteppedReader(expired_receipts=ExpiredReceipts.HONOURED)
    messages = bench.receive("a")
    bench.clock.advance(61)
    bench.beat()
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert bench.deleted() == ["a"]


def test_work_longer_than_a_lost_claim_is_done_once_and_deleted_by_the_newest_receipt(bench: SteppedReader) -> None:
    """The livelock: with each redelivery handed out, and each deletion by an old receipt, it would never end."""
    messages = bench.receive("a")
    for _ in range(3):
        bench.clock.advance(61)
        bench.beat()
        bench.fill()
        assert bench.take() == []
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert bench.deleted() == ["a"]
    assert bench.count("messages_received_again") == 3


def test_a_message_that_arrives_again_while_it_waits_to_be_deleted_goes_by_its_newest_receipt(
    bench: SteppedReader,
) -> None:
    bench.reader.delete(bench.receive("a"))
    bench.clock.advance(61)
    bench.fill()
    assert bench.take() == []
    bench.delete_waiting()
    assert (bench.deleted(), bench.count("claims_lost")) == (["a"], 0)


@pytest.mark.parametrize("receipts", ExpiredReceipts)
def test_a_message_that_arrives_again_while_its_deletion_is_under_way_is_deleted_by_the_newest_receipt(
    receipts: ExpiredReceipts,
) -> None:
    bench = SteppedReader(expired_receipts=receipts)
    bench.reader.delete(bench.receive("a"))
    go_on = threading.Event()
    bench.sqs.faults.on(DELETE, Waits(go_on))
    deleting = threading.Thread(target=bench.reader.deletions.send, daemon=True)
    deleting.start()
    bench.sqs.calls.wait_for(DELETE, 1)
    bench.clock.advance(61)
    bench.fill()
    go_on.set()
    deleting.join(5)
    bench.clock.advance(0.5)
    bench.delete_waiting()
    assert bench.deleted() == ["a"]
    assert (bench.take(), bench.count("claims_lost"), bench.count("messages_deleted")) == ([], 0, 1)


def test_a_purged_queue_is_no_trouble(bench: SteppedReader, log: RecordingLog) -> None:
    messages = bench.receive("a")
    bench.sqs.client.purge_queue(QueueUrl=bench.url)
    bench.reader.delete(messages)
    bench.delete_waiting()
    assert (bench.reader.deletions.waiting, log.events) == (0, [])


def test_receipts_of_a_queue_that_was_made_anew_are_let_go(bench: SteppedReader) -> None:
    messages = bench.receive("a")
    bench.sqs.client.delete_queue(QueueUrl=bench.url)
    bench.reader.delete(messages)
    for _ in range(100):
        bench.reader.deletions.send()
    assert bench.reader.deletions.waiting == 1
    bench.clock.advance(61)
    bench.sqs.make_queue("posts")
    bench.delete_waiting()
    assert (bench.reader.deletions.waiting, bench.count("claims_lost")) == (0, 1)


def test_with_many_deletions_waiting_nothing_more_is_received(bench: SteppedReader) -> None:
    bench.sqs.faults.on(DELETE, ACCESS_DENIED, times=None)
    number = 0
    while bench.reader.receiving.is_wanted():
        bench.send(*(str(number + each) for each in range(10)))
        bench.fill()
        bench.reader.delete(bench.take())
        number += 10
    assert number == MANY
    bench.sqs.faults.clear()
    bench.reader.deletions.send()
    assert bench.reader.receiving.is_wanted()


# The thread, and its end


@pytest.fixture
def thread(bench: SteppedReader) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=bench.reader.deletions.run, daemon=True)
    yield thread
    if thread.is_alive():
        bench.reader.deletions.end(5.0, thread.join)


def receive_ten(bench: SteppedReader) -> list[ReceivedMessage]:
    return bench.receive(*map(str, range(10)))


def test_the_thread_sends_a_full_batch_at_once(
    bench: SteppedReader, thread: threading.Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.reader.deletions, "_linger", 3600.0)
    lingering = threading.Event()
    wait_for = bench.reader.deletions._changed.wait_for

    def tell(*arguments: Any) -> Any:
        lingering.set()
        return wait_for(*arguments)

    monkeypatch.setattr(bench.reader.deletions._changed, "wait_for", tell)
    thread.start()
    first, *others = receive_ten(bench)
    bench.reader.delete([first])
    assert lingering.wait(5)
    for message in others:
        bench.reader.delete([message])
    wait_until(lambda: not bench.reader.deletions.waiting, "the batch to be deleted")
    assert sizes(bench) == [10]


def test_the_thread_sends_what_has_lingered(bench: SteppedReader, thread: threading.Thread) -> None:
    thread.start()
    bench.reader.delete(bench.receive("a"))
    wait_until(lambda: not bench.reader.deletions.waiting, "the message to be deleted")
    assert bench.deleted() == ["a"]


def test_the_end_sends_what_waits_without_lingering(
    bench: SteppedReader, thread: threading.Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.reader.deletions, "_linger", 3600.0)
    thread.start()
    bench.reader.delete(bench.receive("a"))
    assert bench.reader.deletions.end(5.0, thread.join) == 0
    assert bench.deleted() == ["a"]
    assert not thread.is_alive()


def test_the_end_does_not_wait_for_the_rest_of_one_that_failed(bench: SteppedReader, thread: threading.Thread) -> None:
    bench.sqs.faults.on_entries(DELETE, EntryFails())
    bench.reader.delete(bench.receive("a"))
    bench.reader.deletions.send()
    thread.start()
    assert bench.reader.deletions.end(5.0, thread.join) == 0
    assert sizes(bench) == [1, 1]


def test_the_end_gives_up_an_unreachable_queue_after_some_tries(
    bench: SteppedReader, thread: threading.Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.deletions, "_LAST_REST", 0.001)
    bench.reader.delete(receive_ten(bench))
    with bench.sqs.faults.out_of_reach():
        thread.start()
        assert bench.reader.deletions.end(60.0, thread.join) == 10
    assert not thread.is_alive()
    # one may have been under way when the end was told
    assert len(sizes(bench)) in (3, 4)


def test_the_end_deletes_what_an_outage_before_it_has_left(bench: SteppedReader, thread: threading.Thread) -> None:
    bench.reader.delete(bench.receive("a"))
    with bench.sqs.faults.out_of_reach():
        for _ in range(10):
            bench.reader.deletions.send()
    thread.start()
    assert bench.reader.deletions.end(5.0, thread.join) == 0
    assert bench.deleted() == ["a"]


def test_the_end_does_not_wait_for_a_call_that_hangs(bench: SteppedReader, thread: threading.Thread) -> None:
    go_on = threading.Event()
    bench.sqs.faults.on(DELETE, Waits(go_on))
    bench.reader.delete(bench.receive("a"))
    thread.start()
    bench.sqs.calls.wait_for(DELETE, 1)
    assert bench.reader.deletions.end(0.02, thread.join) == 1
    go_on.set()
    thread.join(5)
    assert not thread.is_alive()
