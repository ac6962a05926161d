"""From a source to the posts queue: once each, nothing lost in silence."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError
from prometheus_client import CollectorRegistry

from pipeline.backoff import Backoff
from pipeline.contracts import Post, decode_post
from pipeline.errors import Unsendable, WriterClosed
from pipeline.logs import OccasionalLog
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from stream_getter import forwarder
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from tests.support.examples import a_post
from tests.support.fake_queue_ends import FakeWriter
from tests.support.list_source import ListSource
from tests.support.recording_log import record_log


class FailingAtFirst:
    """An SQS client whose first sends fail, each in another way."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self._failures: list[Exception | None] = [
            ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "try later"}}, "SendMessageBatch"),
            None,
        ]

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {}

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["Entries"]
        failure = self._failures.pop(0) if self._failures else "none"
        if isinstance(failure, Exception):
            raise failure
        failed = entries[::2] if failure is None else []
        self.bodies += [entry["MessageBody"] for entry in entries if entry not in failed]
        return {
            "Successful": [{"Id": entry["Id"]} for entry in entries if entry not in failed],
            "Failed": [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in failed],
        }


def forward(posts: Sequence[Post], writer: QueueWriter, remembered: int = 100) -> CollectorRegistry:
    registry = CollectorRegistry()
    Forwarder(ListSource(*posts), writer, RecentIds(remembered), Metrics(registry), OccasionalLog()).run()
    return registry


def ids_of(bodies: Sequence[str]) -> list[str]:
    return [decode_post(body).id for body in bodies]


def test_posts_are_sent_in_order() -> None:
    writer = FakeWriter()
    forward([a_post("x:1"), a_post("x:2")], writer)
    assert ids_of(writer.bodies) == ["x:1", "x:2"]


def test_repeats_are_folded_and_counted() -> None:
    writer = FakeWriter()
    registry = forward([a_post("x:1"), a_post("x:2"), a_post("x:1"), a_post("x:1")], writer)
    assert ids_of(writer.bodies) == ["x:1", "x:2"]
    assert registry.get_sample_value("stream_getter_posts_repeated_total", {"source": "x"}) == 2


def test_a_repeat_beyond_the_memory_is_sent_again() -> None:
    writer = FakeWriter()
    forward([a_post("x:1"), a_post("x:2"), a_post("x:3"), a_post("x:1")], writer, remembered=2)
    assert ids_of(writer.bodies) == ["x:1", "x:2", "x:3", "x:1"]


@pytest.mark.parametrize("refusal", [Unsendable("too large"), WriterClosed("closing")], ids=["unsendable", "closed"])
def test_a_post_that_is_not_accepted_is_counted_and_logged(refusal: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, forwarder)
    writer = FakeWriter(lambda body: refusal if decode_post(body).id == "x:2" else None)
    registry = forward([a_post("x:1"), a_post("x:2"), a_post("x:3")], writer)
    kind = type(refusal).__name__
    assert ids_of(writer.bodies) == ["x:1", "x:2", "x:3"]
    assert registry.get_sample_value("stream_getter_posts_dropped_total", {"reason": kind}) == 1
    warnings = [line for line in logged.lines if line[0] == "warning"]
    assert warnings == [("warning", "a post was not sent", {"post_id": "x:2", "reason": str(refusal)})]


def test_where_sent_posts_are_not_told_what_was_not_sent_still_is(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, forwarder)
    writer = FakeWriter(lambda body: Unsendable("too large") if '"x:2"' in body else None)
    source, metrics = ListSource(a_post("x:1"), a_post("x:2")), Metrics(CollectorRegistry())
    Forwarder(source, writer, RecentIds(10), metrics, OccasionalLog(), tells_each=False).run()
    assert logged.events == ["a post was not sent"]
    assert source.settled == ["x:1", "x:2"]


def test_accepted_posts_are_not_counted_as_dropped() -> None:
    registry = forward([a_post("x:1")], FakeWriter())
    assert [metric.samples for metric in registry.collect() if metric.name == "stream_getter_posts_dropped"] == [[]]


def test_nothing_is_lost_when_sends_fail_at_first() -> None:
    sqs = FailingAtFirst()
    registry = CollectorRegistry()
    writer = QueueWriter(
        sqs,  # type: ignore[arg-type]
        "https://sqs/posts",
        "posts",
        QueueMetrics(registry),
        Backoff(0.001, 0.001, random.Random(1)),
    )
    sent = [f"x:{number}" for number in range(35)]
    forward([a_post(id_) for id_ in sent], writer)
    assert writer.close(timeout=10)
    assert sorted(ids_of(sqs.bodies)) == sorted(sent)
    assert (registry.get_sample_value("queue_send_failures_total", {"queue": "posts"}) or 0) > 1


def test_a_source_may_forget_what_was_accepted_repeated_or_can_never_be_sent() -> None:
    source = ListSource(a_post("x:1"), a_post("x:2"), a_post("x:1"))
    writer = FakeWriter(lambda body: Unsendable("too large") if '"x:2"' in body else None)
    Forwarder(source, writer, RecentIds(10), Metrics(CollectorRegistry()), OccasionalLog()).run()
    assert source.settled == ["x:1", "x:2", "x:1"]


def test_a_source_keeps_what_was_not_accepted_at_the_end() -> None:
    source = ListSource(a_post("x:1"), a_post("x:2"))
    writer = FakeWriter(lambda body: WriterClosed("closing") if '"x:2"' in body else None)
    Forwarder(source, writer, RecentIds(10), Metrics(CollectorRegistry()), OccasionalLog()).run()
    assert source.settled == ["x:1"]


def test_arrivals_are_counted_and_their_age_is_measured() -> None:
    old = a_post("x:1")
    registry = forward(
        [msgspec.structs.replace(old, created_at=old.received_at - timedelta(seconds=7)), old], FakeWriter()
    )
    assert registry.get_sample_value("stream_getter_posts_received_total", {"source": "x"}) == 2
    ages = registry.get_sample_value("stream_getter_source_delay_seconds_sum")
    assert ages == 7.0 + (old.received_at - old.created_at).total_seconds()
