"""Random interleavings of everything: the stand-in's books agree with its queues, and its promises hold throughout."""

import random
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.strict_sqs import (
    ExpiredReceipts,
    FaultRates,
    Ledger,
    Limits,
    LongPolls,
    StrictSqs,
    VirtualClock,
    What,
)
from tests.support.strict_sqs.ledger import Entry

DEAD_LETTERS = "arn:aws:sqs:us-east-1:000000000000:posts-dlq"
RATES = FaultRates(
    never_arrives=0.05,
    answer_lost=0.05,
    receives_nothing=0.05,
    reordered=0.2,
    duplicated=0.1,
    entry_fails=0.05,
    entry_fails_though_done=0.05,
    late_visibility=0.3,
)


class Interleavings(RuleBasedStateMachine):
    """Calls of every kind in any order, the clock moving between them."""

    @initialize(seed=st.integers(0, 2**32), expired=st.sampled_from(ExpiredReceipts))
    def start(self, seed: int, expired: ExpiredReceipts) -> None:
        self.clock = VirtualClock()
        self.sqs = StrictSqs(
            self.clock,
            random.Random(seed),
            limits=Limits(in_flight=15),
            long_polls=LongPolls.JUMP,
            expired_receipts=expired,
        )
        self.dead_letters = self.sqs.make_queue("posts-dlq", MessageRetentionPeriod="600")
        self.posts = self.sqs.make_queue(
            "posts", dead_letters="posts-dlq", most_receives=3, MessageRetentionPeriod="300"
        )
        self.sqs.faults.at_random(RATES)
        self.receipts: list[tuple[str, str]] = []
        self.sent = 0

    def attempt(self, operation: Any, **request: Any) -> Any:
        try:
            return operation(**request)
        except (ClientError, BotoCoreError):
            return {}

    @rule(count=st.integers(1, 10), delay=st.sampled_from([0, 0, 0, 5]))
    def send(self, count: int, delay: int) -> None:
        self.sent += 1
        entries = [{"Id": str(i), "MessageBody": f"{self.sent}-{i}", "DelaySeconds": delay} for i in range(count)]
        self.attempt(self.sqs.client.send_message_batch, QueueUrl=self.posts, Entries=entries)

    @rule(limit=st.integers(1, 10), visibility=st.integers(0, 30), wait=st.sampled_from([0, 0, 5]), dead=st.booleans())
    def receive(self, limit: int, visibility: int, wait: int, dead: bool) -> None:
        url = self.dead_letters if dead else self.posts
        answer = self.attempt(
            self.sqs.client.receive_message,
            QueueUrl=url,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=visibility,
            WaitTimeSeconds=wait,
        )
        self.receipts += [(url, message["ReceiptHandle"]) for message in answer.get("Messages", [])]

    @rule(data=st.data(), visibility=st.sampled_from([0, 10, 60, None]))
    def settle(self, data: st.DataObject, visibility: int | None) -> None:
        if not self.receipts:
            return
        url, receipt = data.draw(st.sampled_from(self.receipts))
        entry: dict[str, Any] = {"Id": "a", "ReceiptHandle": receipt}
        if visibility is None:
            self.attempt(self.sqs.client.delete_message_batch, QueueUrl=url, Entries=[entry])
        else:
            entry["VisibilityTimeout"] = visibility
            self.attempt(self.sqs.client.change_message_visibility_batch, QueueUrl=url, Entries=[entry])

    @rule(seconds=st.sampled_from([0.001, 1, 5, 29.9, 100]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(rate=st.sampled_from([None, 1]))
    def redrive(self, rate: int | None) -> None:
        given = {} if rate is None else {"MaxNumberOfMessagesPerSecond": rate}
        self.attempt(self.sqs.client.start_message_move_task, SourceArn=DEAD_LETTERS, **given)

    @rule()
    def purge(self) -> None:
        self.attempt(self.sqs.client.purge_queue, QueueUrl=self.posts)

    @rule()
    def blink(self) -> None:
        self.sqs.broker.registry.vanish("posts")
        self.sqs.broker.registry.bring_back("posts")

    @invariant()
    def the_books_agree_with_the_queues(self) -> None:
        if hasattr(self, "sqs"):
            assert not self.sqs.disagreements()

    @invariant()
    def counts_add_up_within_the_cap(self) -> None:
        if hasattr(self, "sqs"):
            for name in ("posts", "posts-dlq"):
                counts = self.sqs.broker.counts(name)
                assert min(counts) >= 0
                assert sum(counts) == len(self.sqs.bodies(name))
                assert counts[1] <= 15

    @invariant()
    def receives_grow_one_by_one_and_end_at_the_deletion(self) -> None:
        if not hasattr(self, "sqs"):
            return
        receives: dict[str, int] = {}
        deleted: set[str] = set()
        for entry in self.sqs.ledger.entries(What.DELIVERED, What.DELETED):
            assert entry.message_id not in deleted
            if entry.what is What.DELETED:
                deleted.add(entry.message_id)
            else:
                assert entry.receives == receives.get(entry.message_id, 0) + 1
                receives[entry.message_id] = entry.receives


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_the_books_follow_a_body_through_every_queue_and_id() -> None:
    sqs = StrictSqs(VirtualClock(), random.Random(1))
    sqs.make_queue("posts-dlq")
    url = sqs.make_queue("posts", dead_letters="posts-dlq", most_receives=1)
    for body in "ab":
        sqs.client.send_message(QueueUrl=url, MessageBody=body)
    for _ in range(3):
        sqs.client.receive_message(QueueUrl=url, VisibilityTimeout=0)
    sqs.client.start_message_move_task(SourceArn=DEAD_LETTERS)
    assert isinstance(sqs.clock, VirtualClock)
    sqs.clock.advance(1)
    messages = sqs.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    sqs.client.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
    body = messages[0]["Body"]
    assert sqs.ledger.bodies(What.DELETED) == {body: 1}
    assert sqs.ledger.bodies(What.DELIVERED)[body] == 2
    assert sqs.ledger.bodies(What.MOVED, queue="posts-dlq") == {}
    whole = [entry.what for entry in sqs.ledger.of(messages[0]["MessageId"])]
    assert whole == [What.REDRIVEN, What.DELIVERED, What.DELETED]
    assert sqs.ledger.count(What.ACCEPTED, queue="posts") == 2


@pytest.mark.parametrize("what", [What.DELETED, What.EXPIRED, What.PURGED, What.DROPPED])
def test_a_message_that_leaves_twice_or_was_never_there_is_seen_in_the_books(what: What) -> None:
    ledger = Ledger()
    ledger.write(Entry(0, What.ACCEPTED, "posts", "1", "a"))
    ledger.write(Entry(1, what, "posts", "1"))
    assert ledger.holdings() == {}
    ledger.write(Entry(2, what, "posts", "1"))
    assert ledger.holdings() == {"posts": {"1": -1}}


def test_a_disagreement_between_books_and_queues_is_told() -> None:
    sqs = StrictSqs(VirtualClock(), random.Random(1))
    url = sqs.make_queue("posts")
    sqs.client.send_message(QueueUrl=url, MessageBody="a")
    assert not sqs.disagreements()
    sqs.ledger.write(Entry(0, What.ACCEPTED, "posts", "lost", "b"))
    assert list(sqs.disagreements()) == ["posts"]
    sqs.ledger.write(Entry(0, What.DELETED, "posts", "lost"))
    sqs.ledger.write(Entry(0, What.DELETED, "posts", "never there"))
    assert list(sqs.disagreements()) == ["posts"]
