"""Who waits for a queue is alive, however long it is away; a sender that hangs in a call is not."""

import random
import threading
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry

import pipeline.queue_writer
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.watchdog import LIMIT_SECONDS, Watchdog
from tests.support.fake_sqs import DEAD_LETTERS_URL, URL, FakeClock, FakeSqs
from tests.support.polling import wait_until


class Bench:
    """A writer with one sender, which a watchdog watches whose clock only the test sets forward."""

    def __init__(self) -> None:
        self.sqs = FakeSqs()
        self.clock = FakeClock()
        self.watchdog = Watchdog(clock=self.clock)
        self.writer = QueueWriter(
            self.sqs.client,
            URL,
            "posts",
            QueueMetrics(CollectorRegistry()),
            Backoff(0.002, 0.005, random.Random(1)),
            senders=1,
            linger_seconds=0.01,
            max_buffered_bytes=10,
            watchdog=self.watchdog,
        )
        wait_until(lambda: self.writer.state.trouble() is None, "the queue to be reached")

    def all_are_alive_after_a_long_time(self) -> None:
        self.clock.now += 10 * LIMIT_SECONDS
        wait_until(lambda: not self.watchdog.stuck(), "a sign of life of each")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(pipeline.queue_writer, "STEP_SECONDS", 0.01)
    bench = Bench()
    yield bench
    bench.sqs.faults.gate.set()
    bench.sqs.faults.outage = False
    bench.writer.close(5.0)


def in_a_watched_thread(watchdog: Watchdog, run: Callable[[], object]) -> threading.Thread:
    def watched() -> None:
        with watchdog.watching("owner"):
            run()

    thread = threading.Thread(target=watched, daemon=True)
    thread.start()
    return thread


def test_a_sender_with_nothing_to_send_is_alive(bench: Bench) -> None:
    bench.all_are_alive_after_a_long_time()


def test_an_owner_that_waits_for_room_and_a_sender_whose_queue_is_away_are_alive(bench: Bench) -> None:
    bench.sqs.faults.outage = True
    bench.writer.put("1234567890")
    owner = in_a_watched_thread(bench.watchdog, lambda: bench.writer.put("more"))
    for _ in range(3):
        bench.all_are_alive_after_a_long_time()
    assert owner.is_alive()
    bench.sqs.faults.outage = False
    owner.join(10)
    assert not owner.is_alive()


def test_a_sender_that_hangs_in_a_call_is_stuck_and_its_owners_are_not(bench: Bench) -> None:
    bench.sqs.faults.gate.clear()
    bench.writer.put("1234567890")
    owner = in_a_watched_thread(bench.watchdog, lambda: bench.writer.put("more"))
    bench.sqs.wait_for_a_call_at_the_gate()
    bench.clock.now += 134.0
    expected = ["posts-writer-0: no sign of life for 134 s (limit 120 s)"]
    wait_until(lambda: bench.watchdog.stuck() == expected, "only the sender to be stuck")
    bench.sqs.faults.gate.set()
    owner.join(10)
    wait_until(lambda: not bench.watchdog.stuck(), "the sender to go on")


def test_senders_leave_the_watch_with_the_writer(bench: Bench) -> None:
    assert bench.writer.close(5.0)
    bench.clock.now += 10 * LIMIT_SECONDS
    assert bench.watchdog.stuck() == []


def test_an_owner_that_moves_one_message_after_the_other_to_the_dead_letters_is_alive() -> None:
    sqs, clock = FakeSqs(), FakeClock()
    watchdog = Watchdog(clock=clock)
    for body in ("one", "two"):
        sqs.client.send_message(QueueUrl=URL, MessageBody=body)
    backoff = Backoff(0.002, 0.005, random.Random(1))
    metrics = QueueMetrics(CollectorRegistry())
    reader = QueueReader(
        sqs.client, URL, DEAD_LETTERS_URL, "posts", "classifier", metrics, backoff, threading.Event(), watchdog=watchdog
    )
    try:
        with watchdog.watching("owner"):
            messages = [*reader.receive(limit=1), *reader.receive(limit=1)]
            assert len(messages) == 2
            for message in messages:
                # each of the calls that this takes may last for its time-out
                clock.now += 0.9 * LIMIT_SECONDS
                reader.dead_letter(message, "poison")
                assert watchdog.stuck() == []
    finally:
        reader.close()
