"""The real reader of X's stream, from its socket to a writer that keeps what it gets."""

import itertools
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from prometheus_client import CollectorRegistry

from pipeline.contracts import decode_post
from pipeline.logs import OccasionalLog
from pipeline.recent_ids import RecentIds
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from stream_getter.x.api import XApi
from stream_getter.x.connections import StaleConnections
from stream_getter.x.reconnect import ReconnectPolicy
from stream_getter.x.spend import NoBudget
from stream_getter.x.stream import XStream
from tests.support.fake_queue_ends import FakeWriter
from tests.support.hurried_stop import HurriedStop

NOW = 1_795_162_510.0
SECONDS = 30.0


@dataclass
class XReader:
    """A reader at work, and everything that can be seen of it."""

    stream: XStream
    stopping: HurriedStop
    writer: FakeWriter
    registry: CollectorRegistry
    thread: threading.Thread

    def join(self) -> None:
        """Returns once it has ended; AssertionError when it does not."""
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), f"the reader has not ended: {self.stream.trouble()}"

    @property
    def forwarded(self) -> list[str]:
        """Ids of the posts that the writer got, as X has them."""
        return [decode_post(body).id.removeprefix("x:") for body in self.writer.bodies]

    def total(self, metric: str) -> float:
        """Of all labels together."""
        return sum(self.by_label(metric).values())

    def by_label(self, metric: str) -> Mapping[str, float]:
        """Of each value of its label."""
        return {
            next(iter(sample.labels.values()), ""): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == f"stream_getter_{metric}_total"
        }


@contextmanager
def reading(url: str, token: str, stall_seconds: float = SECONDS, backfill_minutes: int = 0) -> Iterator[XReader]:
    """Reads until a wait after ``stopping.last()``; at the end it is stopped in any case. No wait takes any time.

    Its clock stands still at NOW; between two resets of stale connections enough time goes by in any case.
    """
    registry = CollectorRegistry()
    metrics, stopping, occasionally = Metrics(registry), HurriedStop(), OccasionalLog()
    api = XApi(requests.Session(), url, token)
    stream = XStream(
        api,
        stall_seconds,
        metrics,
        ReconnectPolicy(),
        stopping,
        now=lambda: datetime.fromtimestamp(NOW, UTC),
        new_trace_id=lambda: "trace-1",
        occasionally=occasionally,
        guard=NoBudget(),
        backfill_minutes=backfill_minutes,
        stale=StaleConnections(api, metrics, clock=itertools.count(0, 10_000).__next__),
    )
    writer = FakeWriter()
    forwarder = Forwarder(stream, writer, RecentIds(100_000), metrics, occasionally, tells_each=False)
    reader = XReader(stream, stopping, writer, registry, threading.Thread(target=forwarder.run, daemon=True))
    reader.thread.start()
    try:
        yield reader
    finally:
        stopping.set()
        stream.stop()
        reader.thread.join(SECONDS)
        api.close()
