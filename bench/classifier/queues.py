"""What the benchmark does with queues by itself: it makes, fills, counts and empties them, and counts its own calls."""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from bench.pipeline.comparison import NotDone
from bench.pipeline.servers import Calls, Server
from demo.stack import client
from pipeline.contracts import Post, encode
from pipeline.sqs_rules import BATCH_ENTRIES, string_attributes


class Road(NamedTuple):
    """The URLs of the queues before and behind a classifier."""

    posts: str
    alerts: str


class Sent(NamedTuple):
    """A message that lay in a queue, and the server's UNIX time in milliseconds when it got there."""

    body: str
    at_ms: int


class Queues:
    """The queues of a server, always without the delay that a server may add for the measured clients."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._sqs = client("sqs", server.url)
        self._own: Calls = Counter()
        self._numbers = itertools.count()

    def road(self, name: str) -> Road:
        """Two new queues, and beside them those for dead letters, which a service wants to be there."""
        name = f"{name}-{next(self._numbers)}"
        kinds = ("posts", "posts-dlq", "alerts")
        posts, _, alerts = (self._sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in kinds)
        return Road(posts, alerts)

    def fill(self, url: str, posts: Sequence[Post]) -> None:
        """Sends all of them."""
        for start in range(0, len(posts), BATCH_ENTRIES):
            entries: Any = [
                {
                    "Id": str(index),
                    "MessageBody": encode(post),
                    "MessageAttributes": string_attributes({"trace_id": post.trace_id}),
                }
                for index, post in enumerate(posts[start : start + BATCH_ENTRIES])
            ]
            self._count(url, "SendMessageBatch")
            if failed := self._sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed"):
                raise NotDone(f"expected no entry to fail, got: {failed}")

    def send(self, url: str, post: Post) -> None:
        """Sends one."""
        self._count(url, "SendMessage")
        attributes: Any = string_attributes({"trace_id": post.trace_id})
        self._sqs.send_message(QueueUrl=url, MessageBody=encode(post), MessageAttributes=attributes)

    def count(self, url: str) -> int:
        """Messages in it, those that somebody has in hand too."""
        self._count(url, "GetQueueAttributes")
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible"))

    def emptied(self, url: str) -> list[Sent]:
        """Everything in it, which is deleted."""
        found: list[Sent] = []
        while True:
            self._count(url, "ReceiveMessage")
            messages = self._sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=BATCH_ENTRIES, MessageSystemAttributeNames=["SentTimestamp"]
            ).get("Messages", [])
            if not messages:
                return found
            found += [Sent(message["Body"], int(message["Attributes"]["SentTimestamp"])) for message in messages]
            entries: Any = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(messages)
            ]
            self._count(url, "DeleteMessageBatch")
            self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    def calls_of_others(self, road: Road) -> int | None:
        """Calls of these queues so far that were not made here; None where the server does not count."""
        if self.server.calls is None:
            return None
        names = {_name(url) for url in road}
        names |= {f"{_name(road.posts)}-dlq"}
        return sum(count for (queue, _), count in (self.server.calls() - self._own).items() if queue in names)

    def _count(self, url: str, operation: str) -> None:
        self._own[_name(url), operation] += 1


def dead_letters(road: Road) -> str:
    """The URL of the queue for the posts that can never be judged."""
    return f"{road.posts}-dlq"


def _name(url: str) -> str:
    return url.rpartition("/")[2]
