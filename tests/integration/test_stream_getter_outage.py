"""The queue is away while X's stream goes on: what the buffer's bytes allow is kept, then the stream is read slower."""

import json
import random
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from prometheus_client import CollectorRegistry

from pipeline.backoff import Backoff
from pipeline.contracts import decode_post
from pipeline.logs import OccasionalLog
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from stream_getter.x.api import XApi
from stream_getter.x.reconnect import ReconnectPolicy
from stream_getter.x.spend import NoBudget
from stream_getter.x.stream import XStream
from tests.support.fake_sqs import URL, FakeSqs
from tests.support.misbehaving_server import Answer, MisbehavingServer, silence
from tests.support.misbehaving_server import stream as streamed
from tests.support.polling import wait_until

#: Far more than the buffer and the sockets of both sides hold together.
POSTS = 6000
TEXT = "a post of some four thousand bytes ".ljust(4000, "x")
BUFFER = 256 * 1024
SECONDS = 30.0


class Reader:
    """Stream, forwarder and writer as the service builds them, with a small buffer and one sender."""

    def __init__(self, url: str, sqs: FakeSqs) -> None:
        self.registry = CollectorRegistry()
        self.stopping = threading.Event()
        metrics = Metrics(self.registry)
        self.session = requests.Session()
        self.source = XStream(
            XApi(self.session, url, "token"),
            SECONDS,
            metrics,
            ReconnectPolicy(),
            self.stopping,
            now=lambda: datetime(2026, 11, 20, tzinfo=UTC),
            new_trace_id=lambda: "trace-1",
            occasionally=OccasionalLog(),
            guard=NoBudget(),
        )
        self.writer = QueueWriter(
            sqs.client,
            URL,
            "posts",
            QueueMetrics(self.registry),
            Backoff(0.01, 0.02, random.Random(1)),
            senders=1,
            max_buffered_bytes=BUFFER,
        )
        recent = RecentIds(max_bytes=10_000_000)
        forwarder = Forwarder(self.source, self.writer, recent, metrics, OccasionalLog(), tells_each=False)
        self._thread = threading.Thread(target=forwarder.run, daemon=True)
        self._thread.start()

    @property
    def buffered(self) -> float:
        return self.registry.get_sample_value("queue_writer_buffered_bytes", {"queue": "posts"}) or 0.0

    def count(self, metric: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"stream_getter_{metric}", labels) or 0.0

    def stop(self) -> None:
        """As the service stops."""
        self.stopping.set()
        self.source.stop()
        self.writer.refuse_when_full()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        self.writer.close(0.0)
        self.session.close()


class Flood:
    """A server that writes posts as fast as they are read; ``written`` of them are out."""

    def __init__(self) -> None:
        self.written = 0

    def answer(self) -> Answer:
        return streamed(self._write, silence)

    def _write(self, connection: socket.socket) -> None:
        for number in range(POSTS):
            line = json.dumps({"data": {"id": str(number), "text": TEXT}}).encode() + b"\r\n"
            connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
            self.written += 1


@pytest.fixture
def flood(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Flood, MisbehavingServer]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    flood = Flood()
    with MisbehavingServer(flood.answer()) as server:
        yield flood, server


def wait_until_full(reader: Reader) -> None:
    a_post = 1.5 * len(TEXT)
    wait_until(lambda: reader.buffered > BUFFER - a_post, "a full buffer", SECONDS)


def test_an_outage_of_the_queue_loses_nothing_and_slows_the_stream(flood: tuple[Flood, MisbehavingServer]) -> None:
    server = flood[1]
    sqs = FakeSqs()
    sqs.faults.outage = True
    reader = Reader(server.url, sqs)
    wait_until_full(reader)
    failed = len(sqs.requests("send_message_batch"))
    # the outage lasts for some more tries, in which nothing more is taken
    wait_until(lambda: len(sqs.requests("send_message_batch")) >= failed + 5, "more tries", SECONDS)
    assert reader.buffered <= BUFFER
    assert reader.count("posts_received_total", source="x") < POSTS / 10
    assert flood[0].written < POSTS
    assert reader.source.trouble() is None
    assert reader.writer.state.trouble() is not None
    assert sqs.bodies() == []

    sqs.faults.outage = False
    wait_until(lambda: len(sqs.bodies()) >= POSTS, "all posts in the queue", SECONDS)
    assert reader.writer.state.trouble() is None
    reader.stop()
    assert [decode_post(body).id for body in sqs.bodies()] == [f"x:{number}" for number in range(POSTS)]
    assert len(server.requests) == 1
    assert reader.count("posts_repeated_total", source="x") == 0
    assert reader.count("posts_dropped_total", reason="WriterClosed") == 0


def test_what_an_outage_leaves_unsent_at_the_end_is_counted(flood: tuple[Flood, MisbehavingServer]) -> None:
    server = flood[1]
    sqs = FakeSqs()
    sqs.faults.outage = True
    reader = Reader(server.url, sqs)
    wait_until_full(reader)
    reader.stop()
    received = reader.count("posts_received_total", source="x")
    assert received > BUFFER / len(TEXT) / 2
    assert reader.count("posts_dropped_total", reason="WriterClosed") == received
    assert sqs.bodies() == []
