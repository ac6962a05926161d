"""A topic as a source when its client misbehaves in ways that no broker can be made to show."""

# isort: off
# before anything that imports kafka-python
import tests.support.kafka_broker  # noqa: F401

# isort: on
import asyncio
import itertools
import logging
import random
import ssl
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, KafkaTimeoutError, TopicAuthorizationFailedError
from prometheus_client import CollectorRegistry

from pipeline.backoff import Backoff
from pipeline.contracts import encode
from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from pipeline.settings import read_settings
from stream_getter.kafka import client, rebalance
from stream_getter.kafka.client import consumer_options, hold_back_log
from stream_getter.kafka.offsets import Offsets
from stream_getter.kafka.rebalance import Rebalance
from stream_getter.kafka.settings import KafkaSettings
from stream_getter.kafka.topic import KafkaTopic
from stream_getter.metrics import Metrics
from stream_getter.source import Arrival
from tests.support.examples import a_post
from tests.support.recorded_stop import RecordedStop
from tests.support.recording_log import record_log

ONE = TopicPartition("posts", 0)
OTHER = TopicPartition("posts", 1)
SERVERS = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "KAFKA_TOPIC": "posts"}


class Record(NamedTuple):
    value: bytes | None
    offset: int
    topic: str = "posts"
    partition: int = 0
    timestamp: int = 0


def record(offset: int) -> Record:
    return Record(encode(a_post(f"x:{offset}")).encode(), offset)


class FakeConsumer:
    """Its polls end in turn with these batches or errors, and then find nothing, for ever."""

    def __init__(self, *polls: list[Record] | Exception, assigned: bool = True) -> None:
        self._polls = list(polls)
        self._assigned = assigned
        self.failure: Exception | None = None
        self.commits: list[dict[TopicPartition, int]] = []
        self.positions: list[int | Exception | None] = []
        self.closed = False

    def subscribe(self, topics: list[str], listener: object) -> None:
        assert topics == ["posts"]

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        happens = self._polls.pop(0) if self._polls else []
        if isinstance(happens, Exception):
            raise happens
        return {ONE: happens} if happens else {}

    def position(self, partition: TopicPartition, timeout_ms: int) -> int | None:
        assert timeout_ms == 0
        happens = self.positions.pop(0) if self.positions else None
        if isinstance(happens, Exception):
            raise happens
        return happens

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], timeout_ms: int) -> None:
        if self.failure:
            raise self.failure
        self.commits.append({partition: offset.offset for partition, offset in offsets.items()})

    def commit_async(self, offsets: object) -> None:
        pass

    def assignment(self) -> set[TopicPartition]:
        return {ONE} if self._assigned else set()

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> None:
        if self.failure:
            raise self.failure

    def close(self, autocommit: bool, timeout_ms: int) -> None:
        self.closed = True


class At:
    """A topic under test. Time passes by a second with each look at the clock."""

    def __init__(self, *consumers: FakeConsumer | Exception, ends_after: int = 50) -> None:
        made = iter(consumers)

        def connect() -> Any:
            consumer = next(made)
            if isinstance(consumer, Exception):
                raise consumer
            return consumer

        clock = itertools.count()
        self.registry = CollectorRegistry()
        self.stopping = RecordedStop(ends_after=ends_after)
        self.topic = KafkaTopic(
            connect,
            "posts",
            None,
            Metrics(self.registry),
            self.stopping,
            Backoff(1.0, 30.0, random.Random(1)),
            now=lambda: datetime(2026, 11, 20, tzinfo=UTC),
            new_trace_id=lambda: "trace",
            occasionally=OccasionalLog(),
            clock=lambda: float(next(clock)),
        )
        self.troubles: list[str | None] = []

    def read(self, count: int, then: Callable[[Arrival], object] = lambda arrival: arrival.settled()) -> list[str]:  # type: ignore[misc]
        got = []
        for arrival in self.topic.arrivals():
            got.append(arrival.post.id)
            then(arrival)
            if len(got) == count:
                break
        return got


@pytest.mark.parametrize(
    "error",
    [
        KafkaTimeoutError(),
        TopicAuthorizationFailedError({"posts"}),
        ValueError("bytes"),
        IndexError(),
        RecursionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_client_raises_a_new_one_is_made_after_a_wait(error: Exception) -> None:
    broken, whole = FakeConsumer(error), FakeConsumer([record(0)])
    at = At(error, broken, whole)
    assert at.read(1) == ["x:0"]
    assert broken.closed
    assert not whole.closed
    first, second = at.stopping.waits
    assert 0.5 <= first <= 1.0 <= second <= 2.0
    assert at.topic.trouble() is None


def test_trouble_names_the_error_and_is_counted_once() -> None:
    at = At(*[KafkaTimeoutError("nobody there")] * 3, ends_after=3)
    assert at.read(1) == []
    assert at.topic.trouble() == "the consumer is made anew: KafkaTimeoutError: nobody there"


def test_a_member_without_a_partition_says_so() -> None:
    at = At(FakeConsumer(assigned=False))
    arrivals = at.topic.arrivals()
    thread = threading.Thread(target=lambda: list(arrivals), daemon=True)
    looks = iter(range(200))
    is_set = at.stopping.is_set
    at.stopping.is_set = lambda: next(looks, None) is None or is_set()  # type: ignore[method-assign]
    thread.start()
    thread.join(20.0)
    assert not thread.is_alive()
    assert at.topic.trouble() == "no partition of topic posts is assigned to this member yet"


def test_a_commit_that_fails_is_tried_again_and_shown_meanwhile() -> None:
    consumer = FakeConsumer([record(0)], [record(1)], [record(2)], [record(3)], [record(4)])
    consumer.failure = CommitFailedError()
    at = At(consumer)
    seen: list[str | None] = []

    def then(arrival: Arrival) -> None:
        assert arrival.settled
        arrival.settled()
        if arrival.post.id == "x:3":
            seen.append(at.topic.trouble())
            consumer.failure = None

    at.read(5, then)
    at.topic.close(4.0)
    assert consumer.commits[-1] == {ONE: 5}
    assert consumer.closed


def test_close_commits_what_is_settled_and_no_more() -> None:
    consumer = FakeConsumer([record(0), record(1), record(2)])
    at = At(consumer)
    at.read(3, lambda arrival: arrival.settled() if arrival.post.id != "x:1" and arrival.settled else None)
    at.topic.close(4.0)
    assert consumer.commits == [{ONE: 0}, {ONE: 1}]
    assert consumer.closed


@pytest.mark.parametrize("error", [CommitFailedError(), OSError("gone")], ids=lambda error: type(error).__name__)
def test_a_last_commit_that_fails_does_not_keep_the_consumer_from_its_end(error: Exception) -> None:
    consumer = FakeConsumer([record(0)])
    at = At(consumer)
    at.read(1)
    consumer.failure = error
    at.topic.close(4.0)
    assert consumer.closed


def test_where_a_partition_begins_is_committed_before_its_first_post_is_settled() -> None:
    consumer = FakeConsumer([record(7), record(8)])
    at = At(consumer)
    at.read(1, lambda _arrival: None)
    assert consumer.commits == [{ONE: 7}]


def test_where_an_idle_partition_begins_is_committed_once_the_client_knows() -> None:
    consumer = FakeConsumer([], [], [], [record(9)])
    consumer.positions = [None, KafkaTimeoutError(), 9]
    at = At(consumer)
    commits: list[list[dict[TopicPartition, int]]] = []
    at.read(1, lambda _arrival: commits.append(consumer.commits[:]))
    assert commits == [[{ONE: 9}]]


def test_close_before_anything_was_read_is_nothing() -> None:
    At().topic.close(4.0)


def revoke(offsets: Offsets, commits: list[dict[TopicPartition, int]], failure: Exception | None = None) -> None:
    async def commit(due: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        if due and failure:
            raise failure
        if due:
            commits.append({partition: offset.offset for partition, offset in due.items()})

    asyncio.run(Rebalance(offsets, commit).on_partitions_revoked({ONE, OTHER}))


def test_partitions_that_go_are_committed_as_far_as_they_are_settled() -> None:
    offsets = Offsets()
    commits: list[dict[TopicPartition, int]] = []
    offsets.arrived(ONE, 0)()
    late = offsets.arrived(ONE, 1)
    revoke(offsets, commits)
    assert commits == [{ONE: 1}]
    late()
    assert offsets.due() == {}


def test_what_is_under_way_is_waited_for_before_partitions_go() -> None:
    offsets = Offsets()
    commits: list[dict[TopicPartition, int]] = []
    settle = offsets.arrived(OTHER, 5)
    timer = threading.Timer(0.1, settle)
    timer.start()
    revoke(offsets, commits)
    timer.join()
    assert commits == [{OTHER: 6}]


def test_a_commit_that_fails_in_a_rebalance_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, rebalance)
    offsets = Offsets()
    offsets.arrived(ONE, 0)()
    revoke(offsets, [], CommitFailedError("late"))
    assert logged.events == [
        "offsets not committed before a rebalance, some posts come again",
        "partitions given up",
    ]


def options(**variables: str) -> dict[str, Any]:
    return consumer_options(read_settings(KafkaSettings, SERVERS | variables))


def test_tls_is_verified() -> None:
    for protocol in ("SSL", "SASL_SSL"):
        context = options(KAFKA_SECURITY_PROTOCOL=protocol, KAFKA_SASL_USERNAME="u", KAFKA_SASL_PASSWORD="p")[
            "ssl_context"
        ]
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    assert "ssl_context" not in options()


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_of_certificates_that_is_none_is_a_mistake(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserMistake, match=r"^environment: KAFKA_CA_FILE: expected a file of certificates"):
        options(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_CA_FILE=str(path))


def test_sasl_needs_a_user_and_a_password_and_shows_neither() -> None:
    protocol = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
    with pytest.raises(UserMistake, match=r"^environment: KAFKA_SASL_PASSWORD: expected .*, got nothing$") as caught:
        options(KAFKA_SASL_USERNAME="somebody", **protocol)
    assert "somebody" not in str(caught.value)
    whole = options(KAFKA_SASL_USERNAME="somebody", KAFKA_SASL_PASSWORD="secret", **protocol)
    assert whole["sasl_mechanism"] == "SCRAM-SHA-512"


def test_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    whole = options(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SASL_USERNAME="u", KAFKA_SASL_PASSWORD_FILE=str(path))
    assert whole["sasl_plain_password"] == "secret"


def test_the_clients_warnings_come_one_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, client)
    hold_back_log(OccasionalLog())
    hold_back_log(OccasionalLog())
    for _ in range(100):
        logging.getLogger("kafka.net.manager").error("Connection failed: %s", "refused\n")
    assert logged.lines == [
        ("warning", "kafka-python warns", {"of": "kafka.net.manager", "said": "Connection failed: refused"})
    ]
