"""The source kafka against a real broker process: what is committed, what comes again, what is passed over."""

# isort: off
# before anything that imports kafka-python
from tests.support.kafka_broker import KafkaBroker, running_broker

# isort: on
import gc
import itertools
import json
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from pipeline.contracts import decode_post, encode
from pipeline.logs import OccasionalLog
from stream_getter.kafka.source import build
from stream_getter.metrics import Metrics
from stream_getter.source import Arrival, Source, Surroundings
from tests.support.emulator import Emulator
from tests.support.examples import a_post
from tests.support.polling import wait_until
from tests.support.service_process import Variables, log_after_sigterm, running_services, variables_for

SOON = 30.0
TOPIC = "posts"
_topics = itertools.count()
# kafka-python leaves sockets to the collector whose connection was refused
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    # here, where they may be, and not in the test of another module
    gc.collect()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    with running_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def topic(broker: KafkaBroker) -> str:
    name = f"{TOPIC}-{next(_topics)}"
    broker.create_topic(name, partitions=2)
    return name


class Member:
    """One source at work, whose posts are settled when the test says so."""

    def __init__(self, address: str, topic: str, **variables: str) -> None:
        self.stopping = threading.Event()
        self.registry = CollectorRegistry()
        self.arrivals: list[Arrival] = []
        self.settle_at_once = True
        self.crash: BaseException | None = None
        numbers = itertools.count()
        self.source: Source = build(
            Surroundings(
                environ={
                    "KAFKA_BOOTSTRAP_SERVERS": address,
                    "KAFKA_TOPIC": topic,
                    "KAFKA_GROUP": f"group-{topic}",
                    "KAFKA_START": "earliest",
                    **variables,
                },
                metrics=Metrics(self.registry),
                stopping=self.stopping,
                state=cast(Any, None),
                notices=cast(Any, None),
                occasionally=OccasionalLog(),
                now=lambda: datetime.now(UTC),
                new_trace_id=lambda: f"trace-{next(numbers)}",
                rng=random.Random(1),
            )
        )
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            for arrival in self.source.arrivals():
                self.arrivals.append(arrival)
                if self.settle_at_once:
                    settle(arrival)
        except BaseException as crash:
            self.crash = crash
            raise

    @property
    def ids(self) -> list[str]:
        return [arrival.post.id for arrival in self.arrivals]

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.arrivals) >= count, f"{count} posts, of which {self.ids} came", SOON)

    def stop(self) -> None:
        self.stopping.set()
        self.source.stop()
        self.thread.join(SOON)
        assert not self.thread.is_alive()

    def refused(self, reason: str) -> float:
        return self.registry.get_sample_value("stream_getter_lines_refused_total", {"reason": reason}) or 0.0


Start = Callable[..., Member]


@pytest.fixture
def start(broker: KafkaBroker, topic: str) -> Iterator[Start]:
    members: list[Member] = []

    def start(settle_at_once: bool = True, **variables: str) -> Member:
        member = Member(broker.address, topic, **variables)
        member.settle_at_once = settle_at_once
        member.thread.start()
        members.append(member)
        return member

    yield start
    for member in members:
        member.stop()
        member.source.close(4.0)
        assert member.crash is None


def settle(arrival: Arrival) -> None:
    assert arrival.settled
    arrival.settled()


def records(numbers: Sequence[int]) -> list[bytes | None]:
    return [encode(a_post(f"x:{number}")).encode() for number in numbers]


def committed(broker: KafkaBroker, topic: str, partition: int = 0) -> int:
    return broker.committed(f"group-{topic}", topic, partition)


def commits(broker: KafkaBroker, topic: str) -> list[int]:
    return [committed(broker, topic, partition) for partition in (0, 1)]


def test_posts_of_the_contract_arrive_and_are_committed(broker: KafkaBroker, topic: str, start: Start) -> None:
    sent = a_post("x:1", source="x", text="flood \x00 here")
    broker.produce(topic, [encode(sent).encode()])
    member = start()
    member.wait_for(1)
    post = member.arrivals[0].post
    assert (post.id, post.source, post.text) == ("x:1", "kafka", "flood \ufffd here")
    assert (post.author, post.created_at, post.trace_id) == (sent.author, sent.created_at, sent.trace_id)
    assert post.received_at > sent.received_at
    wait_until(lambda: committed(broker, topic) == 1, "the commit", SOON)
    assert member.source.trouble() is None


def test_other_json_is_read_by_a_field_map(broker: KafkaBroker, topic: str, start: Start) -> None:
    broker.produce(
        topic,
        [
            json.dumps(record).encode()
            for record in (
                {"tweet_id": 5, "body": "fire", "ts": "2026-11-20T08:15:03Z", "user": {"name": "ana"}},
                {"body": "no id, no time"},
            )
        ],
    )
    member = start(KAFKA_FIELDS="id=tweet_id text=body created_at=ts author.username=user.name")
    member.wait_for(2)
    whole, poor = (arrival.post for arrival in member.arrivals)
    assert (whole.id, whole.text, whole.author.username) == ("kafka:5", "fire", "ana")
    assert whole.created_at == datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
    assert poor.id == f"kafka:{topic}/0/1"
    assert abs((poor.created_at - datetime.now(UTC)).total_seconds()) < 300


def test_what_holds_no_post_is_counted_and_passed_over(broker: KafkaBroker, topic: str, start: Start) -> None:
    good = records([1])[0]
    broker.produce(topic, [None, b"\xff\xfe", b"{", good, b"[]", b'{"id": "x:1"}', b"x" * 1_000_000, b"[" * 100_000])
    member = start()
    wait_until(lambda: committed(broker, topic) == 8, "the commit of all", SOON)
    assert member.ids == ["x:1"]
    assert member.refused("no value") == 1
    assert member.refused("not UTF-8") == 1
    assert member.refused("not of the contract") == 5


def test_an_offset_is_committed_only_after_all_records_before_it_are_settled(
    broker: KafkaBroker, topic: str, start: Start
) -> None:
    broker.produce(topic, records(range(5)))
    member = start(settle_at_once=False)
    member.wait_for(5)
    for number in (1, 2, 0, 4):
        settle(member.arrivals[number])
    wait_until(lambda: committed(broker, topic) > 0, "a commit", SOON)
    assert committed(broker, topic) == 3
    member.stop()
    settle(member.arrivals[3])
    member.source.close(4.0)
    assert committed(broker, topic) == 5


def test_what_was_not_settled_comes_again_at_the_next_start(broker: KafkaBroker, topic: str, start: Start) -> None:
    broker.produce(topic, records(range(4)))
    first = start(settle_at_once=False)
    first.wait_for(4)
    for arrival in (first.arrivals[0], first.arrivals[3]):
        settle(arrival)
    first.stop()
    first.source.close(4.0)
    second = start()
    second.wait_for(3)
    assert second.ids == ["x:1", "x:2", "x:3"]


def test_what_was_not_settled_comes_again_though_a_group_begins_with_the_latest(
    broker: KafkaBroker, topic: str, start: Start
) -> None:
    for partition in (0, 1):
        broker.produce(topic, records([0]), partition)
    first = start(settle_at_once=False, KAFKA_START="latest")
    wait_until(lambda: commits(broker, topic) == [1, 1], "the beginnings to be written down", SOON)
    broker.produce(topic, records([1]))
    first.wait_for(1)
    first.stop()
    first.source.close(4.0)
    # to a partition of which nothing has ever come, too
    broker.produce(topic, records([2]))
    broker.produce(topic, records([3]), partition=1)
    second = start(KAFKA_START="latest")
    second.wait_for(3)
    assert sorted(second.ids) == ["x:1", "x:2", "x:3"]


def test_a_partition_that_goes_to_another_member_goes_with_what_is_settled_and_no_more(
    broker: KafkaBroker, topic: str, start: Start
) -> None:
    broker.produce(topic, records(range(3)), partition=0)
    broker.produce(topic, records(range(10, 13)), partition=1)
    first = start(settle_at_once=False)
    first.wait_for(6)
    by_id = {arrival.post.id: arrival for arrival in first.arrivals}
    settle(by_id["x:0"])
    settle(by_id["x:10"])
    wait_until(lambda: commits(broker, topic) == [1, 1], "the commit", SOON)
    second = start(settle_at_once=False)
    second.wait_for(2)
    theirs, ours = (1, 0) if "x:11" in second.ids else (0, 1)
    assert sorted(second.ids) == sorted([f"x:{10 * theirs + 1}", f"x:{10 * theirs + 2}"])
    # too late for what is the second member's now; what is the first's own as ever
    for arrival in first.arrivals:
        settle(arrival)
    wait_until(lambda: commits(broker, topic)[ours] == 3, "the commit of what stayed", SOON)
    first.stop()
    first.source.close(4.0)
    assert commits(broker, topic)[theirs] == 1
    assert len(first.arrivals) == 6
    # a commit while the group shares out anew fails, and then they come again, as repeats
    second.settle_at_once = True
    for arrival in second.arrivals:
        settle(arrival)
    wait_until(lambda: commits(broker, topic) == [3, 3], "all to be committed", SOON)


def test_a_broker_that_goes_away_and_comes_back_costs_no_post(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker:
        broker.create_topic("posts")
        broker.produce("posts", records([1]))
        member = Member(broker.address, "posts")
        member.thread.start()
        member.wait_for(1)
        broker.stop()
        wait_until(member.source.trouble, "the loss to be told", SOON)
        broker.start()
        broker.produce("posts", records([2]))
        wait_until(lambda: "x:2" in member.ids, "the post after it", SOON)
        wait_until(lambda: member.source.trouble() is None, "the end of the trouble", SOON)
        wait_until(lambda: committed(broker, "posts") == 2, "the commit", SOON)
        member.stop()
        member.source.close(4.0)
        assert member.crash is None


def test_a_source_waits_for_a_broker_that_is_not_there_yet(tmp_path: Path) -> None:
    broker = KafkaBroker(tmp_path)
    member = Member(broker.address, "posts")
    member.thread.start()
    try:
        wait_until(lambda: "KafkaTimeoutError" in (member.source.trouble() or ""), "the trouble to be told", SOON)
        broker.start()
        broker.produce("posts", records([1]))  # makes the topic too
        member.wait_for(1)
    finally:
        member.stop()
        member.source.close(4.0)
        broker.kill()
    assert member.crash is None


class Queue:
    """What lies in the posts queue by and by, each message taken once."""

    def __init__(self, emulator: Emulator, url: str) -> None:
        self._sqs = emulator.client("sqs")
        self._url = url
        self.ids: Counter[str] = Counter()

    def take(self) -> Counter[str]:
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            self.ids.update(decode_post(message["Body"]).id for message in messages)
            entries = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(messages)]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return self.ids


def service_variables(emulator: Emulator, stack: dict[str, str], broker: KafkaBroker, topic: str) -> Variables:
    return {
        **variables_for("stream-getter", emulator.url, ""),
        "POSTS_QUEUE_URL": stack["PostsQueueUrl"],
        "SOURCE": "kafka",
        "KAFKA_BOOTSTRAP_SERVERS": broker.address,
        "KAFKA_TOPIC": topic,
        "KAFKA_GROUP": f"group-{topic}",
        "KAFKA_START": "earliest",
    }


def test_a_service_that_is_killed_loses_nothing_and_commits_nothing_that_the_queue_has_not(
    emulator: Emulator, stack: dict[str, str], broker: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    queue = Queue(emulator, stack["PostsQueueUrl"])
    variables = service_variables(emulator, stack, broker, topic)
    broker.produce(topic, records(range(200)))
    with running_services(tmp_path) as run:
        killed = run("stream-getter", variables)
        wait_until(lambda: committed(broker, topic) > 0, "a first commit", SOON)
        broker.produce(topic, records(range(200, 1200)))
        wait_until(lambda: len(queue.take()) > 250, "the queue to get some more", SOON)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        settled = committed(broker, topic)
        in_queue = queue.take()
        assert {f"x:{number}" for number in range(settled)} <= set(in_queue)
        again = run("stream-getter", variables)
        wait_until(lambda: len(queue.take()) == 1200, "all posts to be in the queue", SOON)
        log_after_sigterm(again)
    assert committed(broker, topic) == 1200


def test_a_stop_commits_what_the_queue_has_accepted(
    emulator: Emulator, stack: dict[str, str], broker: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    queue = Queue(emulator, stack["PostsQueueUrl"])
    broker.produce(topic, records(range(50)))
    with running_services(tmp_path) as run:
        service = run("stream-getter", service_variables(emulator, stack, broker, topic))
        wait_until(lambda: len(queue.take()) == 50, "all posts to be in the queue", SOON)
        log = log_after_sigterm(service)
    assert committed(broker, topic) == 50
    assert "Strong shaking" not in json.dumps(log)
