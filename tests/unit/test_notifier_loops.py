"""Alerts to deliveries, and deliveries to their channels' workers."""

import random
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from notifier.alert_loop import AlertLoop
from notifier.channel_worker import ChannelWorker
from notifier.delivery_loop import DeliveryLoop
from notifier.metrics import Metrics
from notifier.postponement import Postponement, retry_delay
from notifier.routing import Router
from pipeline.alerts_config import parse_alerts_config
from pipeline.contracts import Delivery, decode_delivery
from pipeline.errors import Unsendable, WriterClosed
from pipeline.queue_reader import ReceivedMessage
from tests.support.examples import NOW, a_delivery, a_notice, a_post, an_alert, received
from tests.support.fake_queue_ends import FakeReader, FakeWriter

CONFIG = parse_alerts_config(
    """
labels: [{name: quake, threshold: 0.5}, {name: flood, threshold: 0.5}]
channels: {desk: {type: stdout}, night: {type: stdout}}
routes: [{channels: [desk, night]}]
ops: [desk]
""",
    "alerts.yaml",
)

Verdict = Callable[[str], Exception | str | None]


class AlertBench:
    """The alert loop among fakes; ``run`` reads the batches to their end."""

    def __init__(self, *batches: Sequence[ReceivedMessage], verdict: Verdict = lambda _body: None) -> None:
        self.stopping = threading.Event()
        self.reader = FakeReader(self.stopping, *batches)
        self.writer = FakeWriter(verdict)
        self.registry = CollectorRegistry()
        router = Router(CONFIG, timedelta(hours=24), lambda: NOW, new_id=lambda: "new-trace")
        self.loop = AlertLoop(self.reader, self.writer, router, Metrics(self.registry), self.stopping)

    @property
    def sent(self) -> list[str]:
        return [decode_delivery(body).id for body in self.writer.bodies]

    def count(self, label: str) -> float:
        return self.registry.get_sample_value("notifier_alerts_total", {"label": label}) or 0.0


def test_an_alert_becomes_a_delivery_for_each_channel_and_is_deleted() -> None:
    bench = AlertBench([received(an_alert("quake"), "1"), received(a_notice(), "2")])
    bench.loop.run()
    assert bench.sent[:2] == ["x:1/first/desk", "x:1/first/night"]
    assert len(bench.sent) == 3
    assert bench.reader.deleted == ["1", "2"]
    assert (bench.count("quake"), bench.count("notice")) == (1, 1)


def test_an_alert_is_deleted_only_after_all_its_deliveries_were_accepted() -> None:
    all_put = threading.Event()

    def verdict(body: str) -> str | None:
        if "night" in body:
            all_put.set()
            return "later"
        return None

    bench = AlertBench([received(an_alert("quake"), "1")], verdict=verdict)
    thread = threading.Thread(target=bench.loop.run, daemon=True)
    thread.start()
    assert all_put.wait(10)
    deleted_before = list(bench.reader.deleted)
    bench.writer.undecided[0].set_result(None)
    thread.join(10)
    assert (deleted_before, bench.reader.deleted) == ([], ["1"])


def test_an_alert_of_which_one_delivery_was_not_accepted_is_given_back() -> None:
    bench = AlertBench(
        [received(an_alert("quake"), "1"), received(an_alert("quake", post=a_post("x:2")), "2")],
        verdict=lambda body: WriterClosed("closing") if "x:1/first/night" in body else None,
    )
    bench.loop.run()
    assert bench.reader.given_back == {"1": 0}
    assert bench.reader.deleted == ["2"]


def test_an_alert_that_is_still_undecided_after_a_stop_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.acceptance._STOP_PATIENCE", 0.01)

    def stop(_body: str) -> str:
        bench.stopping.set()
        return "later"

    bench = AlertBench([received(an_alert("quake"), "1")], verdict=stop)
    bench.loop.run()
    assert bench.reader.given_back == {"1": 0}


def test_an_alert_whose_delivery_can_never_be_sent_goes_to_the_dead_letters() -> None:
    bench = AlertBench(
        [received(an_alert("quake"), "1")],
        verdict=lambda body: Unsendable("too large") if "night" in body else None,
    )
    bench.loop.run()
    assert bench.reader.dead_letters == {"1": "its delivery cannot be sent: too large"}


@pytest.mark.parametrize(
    "content", ["no JSON", "{}", a_post(), a_delivery()], ids=["no JSON", "empty", "post", "delivery"]
)
def test_what_is_neither_alert_nor_notice_goes_to_the_dead_letters(content: Any) -> None:
    bench = AlertBench([received(content, "bad"), received(an_alert("quake"), "2")])
    bench.loop.run()
    assert bench.reader.dead_letters["bad"].startswith("neither alert nor notice: ")
    assert bench.reader.deleted == ["2"]


def test_an_alert_for_nobody_is_done_with() -> None:
    bench = AlertBench([received(an_alert(), "1")])
    bench.loop.run()
    assert bench.sent == []
    assert bench.reader.deleted == ["1"]


class FakeWorker(ChannelWorker):
    """Takes deliveries unless it is busy."""

    def __init__(self, busy: bool = False) -> None:
        self._busy = busy
        self.taken: list[str] = []

    def offer(self, message: ReceivedMessage, delivery: Delivery) -> bool:
        if not self._busy:
            self.taken.append(message.id)
        return not self._busy


class DeliveryBench:
    """The delivery loop among fakes; ``run`` reads the deliveries to their end."""

    def __init__(self, *deliveries: Delivery | str, busy: bool = False) -> None:
        self.stopping = threading.Event()
        messages = [received(delivery, str(number)) for number, delivery in enumerate(deliveries, start=1)]
        self.reader = FakeReader(self.stopping, messages)
        self.writer = FakeWriter()
        self.worker = FakeWorker(busy)
        postponement = Postponement(self.reader, self.writer)
        DeliveryLoop(self.reader, postponement, {"desk": self.worker}, self.stopping, lambda: NOW).run()

    @property
    def postponed(self) -> list[Delivery]:
        return [decode_delivery(body) for body in self.writer.bodies]


def test_a_delivery_is_offered_to_its_channel_which_settles_it() -> None:
    bench = DeliveryBench(a_delivery())
    assert bench.worker.taken == ["1"]
    assert bench.reader.settled == set()


def test_an_expired_delivery_goes_to_the_dead_letters() -> None:
    bench = DeliveryBench(a_delivery(expires_at=NOW, attempt=7), a_delivery(expires_at=NOW + timedelta(seconds=1)))
    assert bench.reader.dead_letters == {"1": "channel desk: expired after 7 attempts"}
    assert bench.worker.taken == ["2"]


def test_a_delivery_for_an_unknown_channel_goes_to_the_dead_letters() -> None:
    bench = DeliveryBench(a_delivery(channel="gone"), a_delivery())
    assert bench.reader.dead_letters == {"1": "channel gone: not in the configuration"}
    assert bench.worker.taken == ["2"]


def test_what_is_no_delivery_goes_to_the_dead_letters() -> None:
    bench = DeliveryBench("no JSON", a_delivery())
    assert bench.reader.dead_letters["1"].startswith("not a delivery: ")
    assert bench.worker.taken == ["2"]


def test_a_delivery_that_is_too_early_is_put_off_for_the_rest_without_counting_an_attempt() -> None:
    early = a_delivery(not_before=NOW + timedelta(seconds=100), attempt=3)
    bench = DeliveryBench(early)
    assert bench.worker.taken == []
    assert bench.postponed == [early]
    assert bench.writer.delays == [100]
    assert bench.reader.deleted == ["1"]


def test_a_delivery_that_is_hours_too_early_keeps_its_time() -> None:
    early = a_delivery(not_before=NOW + timedelta(hours=2))
    bench = DeliveryBench(early)
    assert bench.postponed == [early]
    assert bench.writer.delays == [900]


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 1.0])
def test_a_delivery_that_is_due_or_almost_is_offered(seconds: float) -> None:
    assert DeliveryBench(a_delivery(not_before=NOW + timedelta(seconds=seconds))).worker.taken == ["1"]


def test_a_delivery_whose_channel_is_busy_is_put_off_without_counting_an_attempt() -> None:
    bench = DeliveryBench(a_delivery(attempt=3), busy=True)
    (postponed,) = bench.postponed
    assert (postponed.attempt, postponed.not_before) == (3, NOW + timedelta(seconds=15))
    assert bench.writer.delays == [15]


class PostponementBench:
    def __init__(self, verdict: Verdict = lambda _body: None, seconds: float = 30.0) -> None:
        self.reader = FakeReader(threading.Event())
        self.writer = FakeWriter(verdict)
        postponement = Postponement(self.reader, self.writer)
        postponement.postpone(received(a_delivery(), "1"), a_delivery(), seconds, NOW, attempt=2)


def test_a_postponed_delivery_comes_again_with_its_attempt_and_time() -> None:
    bench = PostponementBench()
    (later,) = [decode_delivery(body) for body in bench.writer.bodies]
    assert later == a_delivery(attempt=2, not_before=NOW + timedelta(seconds=30))


def test_the_old_message_is_deleted_only_after_the_new_one_was_accepted() -> None:
    bench = PostponementBench(lambda _body: "later")
    assert bench.reader.settled == set()
    bench.writer.undecided[0].set_result(None)
    assert bench.reader.deleted == ["1"]


def test_at_a_stop_the_old_message_stays_with_the_reader_which_gives_back_all_it_holds() -> None:
    bench = PostponementBench(lambda _body: WriterClosed("closing"))
    assert bench.reader.settled == set()


def test_a_delivery_that_can_never_be_put_off_goes_to_the_dead_letters() -> None:
    bench = PostponementBench(lambda _body: Unsendable("too large"))
    assert "too large" in bench.reader.dead_letters["1"]
    assert bench.reader.deleted == []


@pytest.mark.parametrize(("seconds", "delay"), [(-1.0, 0), (0.4, 0), (30.6, 31), (900.0, 900), (5000.0, 900)])
def test_the_queues_delay_is_whole_seconds_from_0_to_900(seconds: float, delay: int) -> None:
    assert PostponementBench(seconds=seconds).writer.delays == [delay]


class Extreme(random.Random):
    """Draws the end of each range that it is told."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._share


@pytest.mark.parametrize(
    ("attempt", "shortest", "longest"),
    [(1, 1, 2), (2, 2, 4), (3, 4, 8), (9, 256, 512), (10, 450, 900), (11, 450, 900), (100_000, 450, 900)],
)
def test_retries_wait_twice_as_long_each_time_up_to_a_quarter_of_an_hour(
    attempt: int, shortest: float, longest: float
) -> None:
    assert (retry_delay(attempt, Extreme(0)), retry_delay(attempt, Extreme(1))) == (shortest, longest)
