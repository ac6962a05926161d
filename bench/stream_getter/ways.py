"""What is compared: posts from a stream to a queue by stream-getter's own parts, and by two bare loops of boto3."""

import json
import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import requests
from prometheus_client import CollectorRegistry

from bench.stream_getter.sample import sample_lines
from pipeline.backoff import Backoff
from pipeline.contracts import encode
from pipeline.logs import OccasionalLog
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from pipeline.sqs_rules import BATCH_ENTRIES, string_attributes
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from stream_getter.source import Arrival, Source
from stream_getter.trace_ids import TraceIds
from stream_getter.x.api import XApi
from stream_getter.x.payload import parse_post
from stream_getter.x.reconnect import ReconnectPolicy
from stream_getter.x.spend import NoBudget
from stream_getter.x.stream import STREAM_PATH, XStream

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_SETTLE_SECONDS = 60.0
#: Bytes of ids that are remembered: less than the service has, so that it is full early.
_REMEMBERED_BYTES = 4 * 1024 * 1024
#: Bytes that wait for the queue at most, for the same reason: the stream is always ahead of the queue here.
_BUFFERED_BYTES = 4 * 1024 * 1024
_TRACE_ID = uuid.UUID(int=1).hex


@dataclass(frozen=True)
class Errand:
    """So many ``posts`` from the stream at ``api_url`` into the queue, by so many ``senders`` where there are any."""

    api_url: str
    queue_url: str
    posts: int
    senders: int = 1


#: Does the errand, once it was prepared: what comes back is called while the clock runs.
Way = Callable[["SQSClient", Errand, ExitStack], Callable[[], None]]


class BatchFailed(Exception):
    """An entry has failed, which no server of a benchmark should let happen."""


class _FirstPosts:
    """A source that ends after so many posts; ``tell`` gets the number of each."""

    def __init__(self, source: Source, posts: int, tell: Callable[[int], None] | None = None) -> None:
        self._source = source
        self._posts = posts
        self._tell = tell
        self.silence_seconds = source.silence_seconds
        self.stop, self.trouble, self.close = source.stop, source.trouble, source.close

    def arrivals(self) -> Iterator[Arrival]:
        """See Source."""
        first = islice(self._source.arrivals(), self._posts)
        return self._telling(first) if self._tell else first

    def _telling(self, arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
        for number, arrival in enumerate(arrivals):
            if self._tell:
                self._tell(number)
            yield arrival


def ours(
    sqs: "SQSClient", errand: Errand, after: ExitStack, tell: Callable[[int], None] | None = None
) -> Callable[[], None]:
    """As the service builds it: stream, forwarder, writer. Done when the queue has accepted the last post."""
    registry = CollectorRegistry()
    metrics, session = Metrics(registry), requests.Session()
    after.callback(session.close)
    source = XStream(
        XApi(session, errand.api_url, "bench"),
        22.0,
        metrics,
        ReconnectPolicy(),
        threading.Event(),
        now=lambda: datetime.now(UTC),
        new_trace_id=TraceIds(os.urandom),
        occasionally=OccasionalLog(),
        guard=NoBudget(),
    )
    backoff = Backoff(0.1, 10.0, random.Random())
    writer = QueueWriter(
        sqs,
        errand.queue_url,
        "posts",
        QueueMetrics(registry),
        backoff,
        senders=errand.senders,
        max_buffered_bytes=_BUFFERED_BYTES,
    )
    after.callback(writer.close, 5.0)
    forwarder = Forwarder(
        _FirstPosts(source, errand.posts, tell),
        writer,
        RecentIds(max_bytes=_REMEMBERED_BYTES),
        metrics,
        OccasionalLog(),
        tells_each=False,
    )

    def run() -> None:
        forwarder.run()
        if not writer.flush(_SETTLE_SECONDS):
            raise BatchFailed(f"expected all posts to be accepted within {_SETTLE_SECONDS:.0f} s")

    return run


def single(sqs: "SQSClient", errand: Errand, _after: ExitStack) -> Callable[[], None]:
    """As the AWS sample does: the same stream and the same bodies, and a call for each post."""

    def run() -> None:
        address = errand.api_url + STREAM_PATH
        with requests.get(address, stream=True, timeout=22.0) as response:
            for line in islice(response.iter_lines(), errand.posts):
                body = encode(parse_post(line, datetime.now(UTC), _TRACE_ID))
                sqs.send_message(QueueUrl=errand.queue_url, MessageBody=body, MessageAttributes=_attributes())

    return run


def batch(sqs: "SQSClient", errand: Errand, _after: ExitStack) -> Callable[[], None]:
    """The limit: bodies that lie ready, ten a call, and nothing else."""
    now = datetime.now(UTC)
    bodies = [encode(parse_post(line, now, _TRACE_ID)) for line in islice(sample_lines(), errand.posts)]

    def run() -> None:
        for start in range(0, len(bodies), BATCH_ENTRIES):
            entries: Any = [
                {"Id": str(index), "MessageBody": body, "MessageAttributes": _attributes()}
                for index, body in enumerate(bodies[start : start + BATCH_ENTRIES])
            ]
            answer = sqs.send_message_batch(QueueUrl=errand.queue_url, Entries=entries)
            if failed := answer.get("Failed"):
                raise BatchFailed(f"expected no entry to fail, got: {json.dumps(failed)}")

    return run


WAYS: dict[str, Way] = {"ours": ours, "single": single, "batch": batch}


def _attributes() -> Any:
    return string_attributes({"trace_id": _TRACE_ID})
