"""One channel's deliveries: once each, and each settled by what the channel said."""

import random
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from notifier import channel_worker
from notifier.channel_worker import ChannelWorker
from notifier.channels.contract import Delivered, Failed, Outcome
from notifier.metrics import Metrics
from notifier.postponement import Postponement
from pipeline.contracts import Delivery, DeliveryKind, decode_delivery
from pipeline.logs import OccasionalLog
from pipeline.recent_ids import RecentIds
from tests.support.examples import NOW, a_delivery, a_post, received
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.recording_log import record_log


class Rounds(threading.Event):
    """Is set after it has been asked so many times: a loop runs for that many rounds."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


class FakeChannel:
    """Says of each delivery what it was told to, by id."""

    def __init__(self, **outcomes: Outcome) -> None:
        self.outcomes = outcomes
        self.batches: list[list[str]] = []

    def deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        self.batches.append([delivery.id for delivery in deliveries])
        return [self.outcomes.get(delivery.id, Delivered()) for delivery in deliveries]


class Bench:
    def __init__(self, rounds: int = 1, **outcomes: Outcome) -> None:
        self.reader = FakeReader(threading.Event())
        self.writer = FakeWriter()
        self.channel = FakeChannel(**outcomes)
        self.delivered = RecentIds(100)
        self.registry = CollectorRegistry()
        self.worker = ChannelWorker(
            "desk",
            self.channel,
            self.reader,
            Postponement(self.reader, self.writer),
            self.delivered,
            Metrics(self.registry),
            Rounds(rounds),
            lambda: NOW,
            random.Random(1),
            OccasionalLog(),
        )

    def offer(self, *messages: tuple[str, Delivery]) -> None:
        for message_id, delivery in messages:
            assert self.worker.offer(received(delivery, message_id), delivery)

    def count(self, outcome: str) -> float:
        labels = {"channel": "desk", "outcome": outcome}
        return self.registry.get_sample_value("notifier_deliveries_total", labels) or 0.0

    @property
    def postponed(self) -> list[Delivery]:
        return [decode_delivery(body) for body in self.writer.bodies]


def test_what_the_channel_accepted_is_deleted_and_counted() -> None:
    bench = Bench()
    bench.offer(("1", a_delivery("a")), ("2", a_delivery("b")))
    bench.worker.run()
    assert bench.channel.batches == [["a", "b"]]
    assert bench.reader.deleted == ["1", "2"]
    assert bench.count("delivered") == 2


def test_a_batch_is_of_ten_at_most() -> None:
    bench = Bench(rounds=3)
    bench.offer(*[(str(number), a_delivery(f"d{number}")) for number in range(25)])
    bench.worker.run()
    assert [len(batch) for batch in bench.channel.batches] == [10, 10, 5]
    assert len(bench.reader.deleted) == 25


def test_a_worker_takes_a_bounded_number() -> None:
    bench = Bench()
    taken = [bench.worker.offer(received(a_delivery(), str(number)), a_delivery()) for number in range(60)]
    assert taken == [True] * 50 + [False] * 10


def test_a_repeat_of_what_was_delivered_is_deleted_without_telling_the_channel() -> None:
    bench = Bench(rounds=2)
    # ten to a batch: the repeat is in the second
    bench.offer(*[(str(number), a_delivery(f"d{number}")) for number in range(10)])
    bench.offer(("again", a_delivery("d3")), ("new", a_delivery("e")))
    bench.worker.run()
    assert [batch[-1] for batch in bench.channel.batches] == ["d9", "e"]
    assert len(bench.channel.batches[1]) == 1
    assert {"again", "new"} <= set(bench.reader.deleted)
    assert bench.count("repeat") == 1


def test_a_repeat_alone_does_not_call_the_channel() -> None:
    bench = Bench()
    bench.delivered.add("a")
    bench.offer(("1", a_delivery("a")))
    bench.worker.run()
    assert bench.channel.batches == []
    assert bench.reader.deleted == ["1"]


def test_only_what_was_accepted_is_remembered() -> None:
    bench = Bench(bad=Failed("down"), worse=Failed("no", final=True))
    bench.offer(("1", a_delivery("good")), ("2", a_delivery("bad")), ("3", a_delivery("worse")))
    bench.worker.run()
    assert [id_ in bench.delivered for id_ in ("good", "bad", "worse")] == [True, False, False]


def test_a_repeat_within_a_batch_comes_again_when_its_twin_is_settled() -> None:
    bench = Bench(a=Failed("down"))
    bench.offer(("1", a_delivery("a")), ("2", a_delivery("a")))
    bench.worker.run()
    assert bench.channel.batches == [["a"]]
    assert bench.reader.given_back == {"2": 1}


def test_a_failure_is_put_off_with_the_next_attempt_and_a_growing_wait() -> None:
    bench = Bench(a=Failed("SNS: throttled"))
    bench.offer(("1", a_delivery("a", attempt=4)), ("2", a_delivery("b")))
    bench.worker.run()
    (later,) = bench.postponed
    assert (later.id, later.attempt) == ("a", 5)
    assert later.not_before is not None
    assert timedelta(seconds=8) <= later.not_before - NOW <= timedelta(seconds=16)
    assert 8 <= bench.writer.delays[0] <= 16
    assert sorted(bench.reader.deleted) == ["1", "2"]
    assert (bench.count("failed"), bench.count("delivered")) == (1, 1)


def test_a_final_refusal_goes_to_the_dead_letters() -> None:
    bench = Bench(a=Failed("SNS: InvalidParameter: bad", final=True))
    bench.offer(("1", a_delivery("a")), ("2", a_delivery("b")))
    bench.worker.run()
    assert bench.reader.dead_letters == {"1": "channel desk: SNS: InvalidParameter: bad"}
    assert bench.reader.deleted == ["2"]
    assert bench.postponed == []
    assert bench.count("refused") == 1


def test_failures_are_logged_now_and_then_without_the_posts_text(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, channel_worker)
    bench = Bench(a=Failed("down"), b=Failed("down"))
    bench.offer(("1", a_delivery("a")), ("2", a_delivery("b")))
    bench.worker.run()
    assert logged.lines == [("warning", "delivery failed, trying again later", {"channel": "desk", "reason": "down"})]


@pytest.mark.parametrize(
    ("histogram", "seconds"), [("notifier_notification_delay_seconds", 7), ("notifier_handling_delay_seconds", 2)]
)
def test_the_delays_from_creation_and_arrival_are_measured_for_posts_only(histogram: str, seconds: float) -> None:
    bench = Bench()
    old = a_post(created_at=NOW - timedelta(seconds=7), received_at=NOW - timedelta(seconds=2))
    notice = a_delivery("b", kind=DeliveryKind.NOTICE, post=None, labels=[], text="words")
    bench.offer(("1", a_delivery("a", post=old)), ("2", notice))
    bench.worker.run()
    assert bench.registry.get_sample_value(f"{histogram}_sum", {"channel": "desk"}) == seconds
    assert bench.registry.get_sample_value(f"{histogram}_count", {"channel": "desk"}) == 1
