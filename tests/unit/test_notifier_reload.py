"""A new configuration while notifier runs: channels that come, change and go, routes, and notices of its own."""

import random
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

import notifier.channel_worker
from notifier.alert_loop import AlertLoop
from notifier.channel_worker import ChannelWorker
from notifier.channel_workers import ChannelWorkers
from notifier.channels.contract import Channel, Delivered, Outcome
from notifier.metrics import Metrics
from notifier.postponement import Postponement
from notifier.reload import Reload, loop_of
from notifier.routing import Router
from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.config_at_start import ConfigInForce
from pipeline.config_places import ConfigDocument
from pipeline.contracts import Delivery, decode_delivery
from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from pipeline.recent_ids import RecentIds
from tests.support.examples import NOW, a_delivery, a_notice, an_alert, received
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.polling import wait_until

CONFIG = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}, desk: {type: stdout}}
routes: [{channels: [terminal]}]
ops: [terminal]
"""
#: desk is another, night is new, terminal is gone.
NEXT = """
labels: [{name: flood, threshold: 0.5}]
channels: {desk: {type: sns}, night: {type: stdout}}
routes: [{channels: [desk, night]}]
ops: [night]
"""


def in_force(text: str) -> ConfigInForce:
    return ConfigInForce(parse_alerts_config(text, "alerts.yaml"), ConfigDocument("alerts.yaml", "v1", text))


class FakeChannel:
    def __init__(self, what: str, log: list[str]) -> None:
        self._what = what
        self._log = log

    def deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        self._log.extend(f"{self._what}: {delivery.id}" for delivery in deliveries)
        return [Delivered()] * len(deliveries)


class Bench:
    """What of notifier changes with its configuration; loops are started in threads, as Lifecycle does."""

    def __init__(self, text: str = CONFIG) -> None:
        self.stopping = threading.Event()
        self.reader = FakeReader(threading.Event())
        self.writer = FakeWriter()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.delivered: list[str] = []
        self.threads: dict[str, threading.Thread] = {}
        self.refusal: UserMistake | None = None
        self.order: list[str] = []
        first = in_force(text).config
        self.router = Router(first, timedelta(hours=24), lambda: NOW, new_id=lambda: "new-trace")
        self.workers = ChannelWorkers(self._hire)
        self.alert_loop = AlertLoop(self.reader, self.writer, self.router, self.metrics, self.stopping)
        for name, worker in self.workers.put(self._build(first, "alerts.yaml", ())).items():
            self.start(loop_of(name), worker.run)
        self.reload = Reload(first, self._build, self.workers, self.router, self.start)

    def _build(self, config: AlertsConfig, place: str, besides: Container[str]) -> Mapping[str, Channel]:
        if self.refusal:
            raise self.refusal
        return {
            name: FakeChannel(f"{name} by {channel.type}", self.delivered)
            for name, channel in config.channels.items()
            if name not in besides
        }

    def _hire(self, name: str, channel: Channel) -> ChannelWorker:
        return ChannelWorker(
            name,
            channel,
            self.reader,
            Postponement(self.reader, self.writer),
            RecentIds(100),
            self.metrics,
            self.stopping,
            lambda: NOW,
            random.Random(1),
            OccasionalLog(),
        )

    def start(self, name: str, loop: Callable[[], None]) -> None:
        self.threads[name] = threading.Thread(target=loop, daemon=True)
        self.threads[name].start()

    def offer(self, channel: str, id_: str) -> bool:
        delivery = a_delivery(id_, channel=channel)
        return self.workers.by_name[channel].offer(received(delivery, id_), delivery)

    def routed(self) -> list[str]:
        return [delivery.channel for delivery in self.router.deliveries(an_alert("flood"))]

    def close(self) -> None:
        self.stopping.set()
        for thread in self.threads.values():
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier.channel_worker, "_POLL_SECONDS", 0.01)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_has_changed_and_what_has_not(bench: Bench) -> None:
    terminal, desk = bench.workers.by_name["terminal"], bench.workers.by_name["desk"]
    bench.reload(in_force(NEXT))
    assert bench.workers.by_name.keys() == {"desk", "night"}
    assert bench.workers.by_name["desk"] is desk
    assert bench.routed() == ["desk", "night"]
    assert [delivery.channel for delivery in bench.router.deliveries(a_notice())] == ["night"]
    bench.threads["channel terminal"].join(10)
    assert not bench.threads["channel terminal"].is_alive()
    assert not terminal.offer(received(a_delivery()), a_delivery())
    assert bench.threads["channel desk"].is_alive()
    bench.close()


def test_a_new_channel_and_a_changed_one_deliver(bench: Bench) -> None:
    bench.reload(in_force(NEXT))
    assert bench.offer("night", "n1")
    assert bench.offer("desk", "d1")
    wait_until(lambda: len(bench.delivered) == 2, "both deliveries")
    assert sorted(bench.delivered) == ["desk by sns: d1", "night by stdout: n1"]
    bench.close()


def test_a_changed_channel_still_knows_what_it_has_delivered(bench: Bench) -> None:
    bench.offer("desk", "d1")
    wait_until(lambda: bench.delivered, "the delivery")
    bench.reload(in_force(NEXT))
    delivery = a_delivery("d1", channel="desk")
    bench.workers.by_name["desk"].offer(received(delivery, "d1-again"), delivery)
    wait_until(lambda: "d1-again" in bench.reader.settled, "the repeat to be settled")
    assert bench.delivered == ["desk by stdout: d1"]
    bench.close()


def test_a_channel_that_has_not_changed_is_not_built_anew(bench: Bench) -> None:
    bench.reload(in_force(CONFIG.replace("0.5", "0.6")))
    bench.offer("terminal", "t1")
    wait_until(lambda: bench.delivered, "the delivery")
    assert len(bench.threads) == 2
    # the next reload compares with this one, not with the first
    bench.reload(in_force(NEXT))
    bench.reload(in_force(NEXT.replace("0.5", "0.6")))
    assert len(bench.threads) == 3
    bench.close()


def test_a_channel_that_went_and_comes_again_has_a_new_worker(bench: Bench) -> None:
    bench.reload(in_force(NEXT))
    bench.threads["channel terminal"].join(10)
    bench.reload(in_force(CONFIG))
    assert bench.offer("terminal", "t1")
    wait_until(lambda: bench.delivered, "the delivery")
    bench.close()


def test_what_cannot_be_built_changes_nothing(bench: Bench) -> None:
    bench.refusal = UserMistake("environment: SNS_TOPIC_ARN: expected the ARN of a topic, got nothing")
    before = dict(bench.workers.by_name)
    with pytest.raises(UserMistake):
        bench.reload(in_force(NEXT))
    assert (bench.workers.by_name, bench.routed()) == (before, ["terminal"])
    assert bench.offer("terminal", "t1")
    bench.refusal = None
    bench.reload(in_force(NEXT))
    assert bench.routed() == ["desk", "night"]
    bench.close()


def test_no_route_leads_to_a_channel_that_is_not_there(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, set[str]]] = []
    follow, keep_only = bench.router.follow, bench.workers.keep_only

    def watched_follow(config: AlertsConfig) -> None:
        seen.append(("routes", set(bench.workers.by_name)))
        follow(config)

    def watched_keep_only(names: Sequence[str]) -> None:
        seen.append(("channels that go", {delivery.channel for delivery in bench.router.deliveries(an_alert("flood"))}))
        keep_only(names)

    monkeypatch.setattr(bench.router, "follow", watched_follow)
    monkeypatch.setattr(bench.workers, "keep_only", watched_keep_only)
    bench.reload(in_force(NEXT))
    assert seen == [("routes", {"terminal", "desk", "night"}), ("channels that go", {"desk", "night"})]
    bench.close()


class SlowChannel:
    """Delivers when it is told to."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.began = threading.Event()
        self.ids: list[str] = []

    def deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        self.began.set()
        assert self.may.wait(10)
        self.ids += [delivery.id for delivery in deliveries]
        return [Delivered()] * len(deliveries)


def test_a_channel_that_goes_delivers_what_it_holds_and_takes_nothing_more(bench: Bench) -> None:
    slow = SlowChannel()
    bench.workers.by_name["terminal"].use(slow)
    assert bench.offer("terminal", "t0")
    assert slow.began.wait(10)
    worker = bench.workers.by_name["terminal"]
    for number in range(1, 15):
        assert bench.offer("terminal", f"t{number}")
    bench.reload(in_force(NEXT))
    assert not worker.offer(received(a_delivery("late"), "late"), a_delivery("late"))
    slow.may.set()
    bench.threads["channel terminal"].join(10)
    assert slow.ids == [f"t{number}" for number in range(15)]
    assert sorted(bench.reader.deleted) == sorted(slow.ids)
    bench.close()


def test_what_is_offered_just_before_the_end_is_delivered(bench: Bench) -> None:
    worker = bench._hire("desk", FakeChannel("desk", bench.delivered))

    found_nothing = worker._next_batch
    offered: list[str] = []

    def next_batch() -> list[object]:
        batch = found_nothing()
        if not offered:
            offered.append("d1")
            delivery = a_delivery("d1")
            assert worker.offer(received(delivery, "d1"), delivery)
            worker.retire()
        return batch  # type: ignore[return-value]

    worker._next_batch = next_batch  # type: ignore[method-assign,assignment]
    worker.run()
    assert bench.delivered == ["desk: d1"]
    bench.close()


def test_a_notice_of_its_own_goes_to_the_ops_route_in_force(bench: Bench) -> None:
    bench.alert_loop.announce(a_notice(text="one"))
    bench.reload(in_force(NEXT))
    bench.alert_loop.announce(a_notice(text="two"))
    told = [decode_delivery(body) for body in bench.writer.bodies]
    assert [(delivery.channel, delivery.text.rpartition(": ")[2]) for delivery in told] == [
        ("terminal", "one"),
        ("night", "two"),
    ]
    assert bench.registry.get_sample_value("notifier_alerts_total", {"label": "notice"}) == 2
    bench.close()


def test_a_notice_for_nobody_is_counted() -> None:
    bench = Bench(CONFIG.replace("ops: [terminal]", ""))
    bench.alert_loop.announce(a_notice())
    assert bench.writer.bodies == []
    assert bench.registry.get_sample_value("notifier_alerts_unrouted_total", {"label": "notice"}) == 1
    bench.close()
