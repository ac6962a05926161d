"""`dead-letters list`: how many, how old, why."""

import json

import pytest

from pipeline.dead_letters.listing import MOST_KINDS
from tests.support.dead_letter_desk import POSTS, POSTS_DEAD, URLS, Desk
from tests.support.strict_sqs import Limits
from tests.support.strict_sqs.faults import Receives

HOUR = 3600


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_reasons_are_counted_by_their_constant_part_and_service(desk: Desk) -> None:
    desk.put(2, "refused by the model: too long", age=2 * HOUR)
    desk.put(1, "not a post: byte 1", service="somebody", age=HOUR)
    for number in range(3):
        desk.put(1, f"not a post: byte {number}", age=30)
    ids = {message.content.body: message.id for message in desk.sqs.broker.contents(POSTS_DEAD)}
    assert desk.run("list", "posts") == 0
    assert desk.out.splitlines() == [
        "posts: 6 dead letters in tweet-alerts-local-posts-dlq",
        "  the oldest came 3 h 1 min ago, the newest 30 s ago",
        f"        3  classifier  not a post: …  (one is {ids['body 3']})",
        f"        2  classifier  refused by the model: …  (one is {ids['body 0']})",
        f"        1  somebody  not a post: …  (one is {ids['body 2']})",
    ]
    assert desk.err == ""


def test_for_programs(desk: Desk) -> None:
    desk.put(2, "refused by the model: too \u202elong", age=HOUR)
    assert desk.run("list", "posts", "--json") == 0
    (queue,) = json.loads(desk.out)["queues"]
    (reason,) = queue.pop("reasons")
    assert reason.pop("example") in {message.id for message in desk.sqs.broker.contents(POSTS_DEAD)}
    assert reason == {"reason": "refused by the model: …", "service": "classifier", "count": 2}
    assert queue == {
        "queue": "posts",
        "name": POSTS_DEAD,
        "url": URLS + POSTS_DEAD,
        "approximate": {"visible": 2, "in_flight": 0, "delayed": 0},
        "looked_at": 2,
        "complete": True,
        "oldest_age_seconds": HOUR,
        "newest_age_seconds": HOUR,
    }


def test_an_empty_queue_for_programs(desk: Desk) -> None:
    assert desk.run("list", "alerts", "--json") == 0
    (queue,) = json.loads(desk.out)["queues"]
    assert (queue["looked_at"], queue["reasons"], queue["oldest_age_seconds"]) == (0, [], None)


def test_a_look_moves_nothing_however_often(desk: Desk) -> None:
    bodies = desk.put(25)
    for _ in range(10):
        assert desk.run("list", "posts") == 0
    assert desk.dead_letters() == sorted(bodies)
    assert not desk.posts()
    assert {message.receives for message in desk.sqs.broker.contents(POSTS_DEAD)} == {10}


def test_what_sqs_has_moved_by_itself_is_told_as_that(desk: Desk) -> None:
    desk.sqs.client.send_message(QueueUrl=URLS + POSTS, MessageBody="poison")
    for _ in range(4):
        desk.sqs.client.receive_message(QueueUrl=URLS + POSTS, VisibilityTimeout=0)
    assert desk.run("list", "posts") == 0
    assert "1  -  moved by SQS: …  (one is " in desk.out


def test_what_a_stranger_wrote_does_nothing_to_the_terminal(desk: Desk) -> None:
    desk.put(1, "\u202e\x9b31mred\u2028\nposts: 0 dead letters", service="\x85evil")
    assert desk.run("list", "posts") == 0
    assert len(desk.out.splitlines()) == 3
    assert "\\u0085evil  \\u202e\\u009b…mred\\u2028\\u000aposts: …" in desk.out


def test_reasons_without_end_are_told_as_others(desk: Desk) -> None:
    for number in range(MOST_KINDS + 5):
        desk.put(1, "reason " + "abcdefghij"[number % 10] * (number // 10 + 1))
    assert desk.run("list", "posts", "--json") == 0
    reasons = json.loads(desk.out)["queues"][0]["reasons"]
    assert len(reasons) == MOST_KINDS + 1
    assert {name: value for name, value in reasons[0].items() if name != "example"} == {
        "reason": "other reasons",
        "service": "",
        "count": 5,
    }


def test_counts_that_disagree_are_told(desk: Desk) -> None:
    desk.put(15)
    desk.sqs.client.receive_message(QueueUrl=URLS + POSTS_DEAD, MaxNumberOfMessages=5, VisibilityTimeout=600)
    desk.sqs.faults.on("ReceiveMessage", Receives(nothing=True), times=None)
    assert desk.run("list", "posts") == 0
    assert desk.out.splitlines()[1:] == [
        "  counts disagree: SQS told of about 10 at the start (its counts are approximate), 0 were looked at",
        "  about 5 more were hidden at the start: in another's hands, or of a command that was killed,"
        " and visible again within minutes",
    ]


def test_messages_that_come_while_it_looks_make_counts_disagree(desk: Desk) -> None:
    desk.put(1)
    desk.after = lambda method: desk.put(2) if method == "get_queue_attributes" else None
    assert desk.run("list", "posts") == 0
    assert "SQS told of about 1 at the start (its counts are approximate), 3 were looked at" in desk.out


def test_ctrl_c_tells_what_was_seen_and_gives_everything_back() -> None:
    desk = Desk(limits=Limits())
    bodies = desk.put(30)
    receives = []

    def interrupt(method: str) -> None:
        if method == "receive_message":
            receives.append(method)
            if len(receives) == 2:
                desk.interruption.signalled(2)

    desk.after = interrupt
    assert desk.run("list") == 130
    assert desk.out.startswith("posts: 20 dead letters in")
    assert "stopped before the queue was dry: there may be others" in desk.out
    assert "\nalerts: " not in desk.out
    assert desk.dead_letters() == sorted(bodies)


def test_a_clock_of_the_users_that_is_wrong_does_not_matter(desk: Desk) -> None:
    desk.ahead = -86_400.0
    desk.put(1, age=90)
    assert desk.run("list", "posts") == 0
    assert "the oldest came 1 min 30 s ago" in desk.out
