"""`dead-letters redrive`: what goes back, what stays, and what is said, whatever goes wrong on the way."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.dead_letters.letter import DeadLetter
from pipeline.dead_letters.redrive import batches_within_bounds, redriven_entry
from pipeline.dead_letters.tries import TRIES
from pipeline.errors import Unavailable, UserMistake
from pipeline.sqs_rules import ATTRIBUTES, BATCH_BYTES, string_attributes
from tests.support.dead_letter_desk import POSTS, POSTS_DEAD, URLS, Desk
from tests.support.strict_sqs import FaultRates, What
from tests.support.strict_sqs.faults import (
    ACCESS_DENIED,
    INTERNAL_ERROR,
    THROTTLING,
    EntryFails,
    LosesAnswer,
    NeverArrives,
)

REDRIVE = ("redrive", "posts", "--yes", "--rate", "unlimited")
REFUSED = EntryFails("InvalidMessageContents", sender_fault=True)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    assert not desk.sqs.disagreements()


def is_of(body: str) -> Any:
    return lambda entry: entry["MessageBody"] == body


def attributes_in(desk: Desk, queue: str) -> list[dict[str, str]]:
    """Of each message that lies there."""
    received = desk.sqs.client.receive_message(
        QueueUrl=URLS + queue, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    )
    return [
        {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        for message in received["Messages"]
    ]


def test_all_go_back_each_once(desk: Desk) -> None:
    bodies = desk.put(57)
    assert desk.run(*REDRIVE) == 0
    assert desk.posts() == sorted(bodies)
    assert desk.sqs.bodies(POSTS_DEAD) == []
    assert desk.out == (
        "redriven 57 of 57 chosen, of 57 looked at in tweet-alerts-local-posts-dlq, to tweet-alerts-local-posts\n"
    )
    # full batches, and no call for a single message
    assert len(desk.sqs.calls.requests("SendMessageBatch")) == 6
    assert len(desk.sqs.calls.requests("DeleteMessageBatch")) == 6


def test_an_empty_queue(desk: Desk) -> None:
    assert desk.run(*REDRIVE) == 0
    assert desk.out.startswith("redriven 0 of 0 chosen, of 0 looked at")


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        (("--reason", "NOT A POST"), {"old", "new"}),
        (("--reason", "model"), {"refused"}),
        (("--reason", "moved by sqs"), {"moved"}),
        (("--service", "classifier"), {"old", "new", "refused"}),
        (("--service", "class"), set()),
        (("--older-than", "1h"), {"old"}),
        (("--newer-than", "1h"), {"new", "refused", "moved"}),
        (("--older-than", "1m", "--newer-than", "2h", "--reason", "a"), set()),
        (("--reason", "a post", "--newer-than", "1h"), {"new"}),
    ],
)
def test_only_what_was_chosen_goes_back(desk: Desk, filters: tuple[str, ...], chosen: set[str]) -> None:
    bodies = {
        "old": desk.put(7, "not a post: odd", age=7200),
        "new": desk.put(8, "not a post: even", age=10),
        "refused": desk.put(9, "refused by the model: long", age=10),
        "moved": ["poison"],
    }
    desk.sqs.client.send_message(QueueUrl=URLS + POSTS, MessageBody="poison")
    for _ in range(4):
        desk.sqs.client.receive_message(QueueUrl=URLS + POSTS, VisibilityTimeout=0)
    assert desk.run(*REDRIVE, *filters) == 0
    assert desk.posts() == sorted(body for name in chosen for body in bodies[name])
    assert desk.dead_letters() == sorted(body for name in bodies.keys() - chosen for body in bodies[name])


def test_no_more_than_the_limit(desk: Desk) -> None:
    bodies = desk.put(40)
    assert desk.run(*REDRIVE, "--limit", "13") == 0
    assert len(desk.posts()) == 13
    assert sorted([*desk.posts(), *desk.dead_letters()]) == sorted(bodies)
    # it does not wait for the queue to run dry
    assert len(desk.sqs.calls.requests("ReceiveMessage")) == 2


def test_a_dry_run_touches_nothing(desk: Desk) -> None:
    bodies = [*desk.put(20), *desk.put(5, "refused by the model: long")]
    assert desk.run("redrive", "posts", "--dry-run", "--reason", "model") == 0
    assert desk.dead_letters() == sorted(bodies)
    assert desk.posts() == []
    lines = desk.out.splitlines()
    assert lines[0] == (
        "5 messages of 25 looked at in tweet-alerts-local-posts-dlq would go back to tweet-alerts-local-posts"
    )
    assert lines[1].startswith("        5  classifier  refused by the model: …  (one is ")
    assert len(lines) == 2


def test_attributes_stay_but_for_the_reason_and_it_is_counted(desk: Desk) -> None:
    desk.put(1, trace_id="trace-1", colour="red")
    assert desk.run(*REDRIVE) == 0
    assert attributes_in(desk, POSTS) == [{"trace_id": "trace-1", "colour": "red", "redriven": "1"}]


@pytest.mark.parametrize(("before", "after"), [("1", "2"), ("998", "999"), ("999", "999"), ("x", "1")])
def test_the_count_goes_on_and_is_bounded(desk: Desk, before: str, after: str) -> None:
    desk.put(1, redriven=before)
    assert desk.run(*REDRIVE) == 0
    assert attributes_in(desk, POSTS) == [{"redriven": after}]


def a_letter(body: str = "x", system: dict[str, str] | None = None, **attributes: Any) -> DeadLetter:
    return DeadLetter("id", body, attributes, system or {})


def test_attributes_of_all_types_and_the_header_of_x_ray_go_back() -> None:
    blob = {"DataType": "Binary", "BinaryValue": b"\x00", "BinaryListValues": []}
    entry = redriven_entry(a_letter(system={"AWSTraceHeader": "Root=1-2"}, blob=blob, **string_attributes({"n": "1"})))
    assert entry["MessageAttributes"]["blob"] == {"DataType": "Binary", "BinaryValue": b"\x00"}
    assert entry["MessageAttributes"]["n"] == {"DataType": "String", "StringValue": "1"}
    header = {"DataType": "String", "StringValue": "Root=1-2"}
    assert entry["MessageSystemAttributes"] == {"AWSTraceHeader": header}


def test_where_there_is_no_room_it_is_not_counted() -> None:
    full = string_attributes({f"a{number}": "x" for number in range(ATTRIBUTES)})
    assert redriven_entry(a_letter(**full))["MessageAttributes"] == full
    assert "MessageAttributes" not in redriven_entry(a_letter("x" * BATCH_BYTES))
    room = BATCH_BYTES - len("redriven" + "String" + "1")
    assert "redriven" in redriven_entry(a_letter("x" * room))["MessageAttributes"]
    assert "MessageAttributes" not in redriven_entry(a_letter("x" * (room + 1)))


def test_large_messages_go_in_several_requests(desk: Desk) -> None:
    bodies = [character * (BATCH_BYTES // 3) for character in "abcdefgh"]
    for body in bodies:
        desk.sqs.client.send_message(QueueUrl=URLS + POSTS_DEAD, MessageBody=body)
    desk.clock.advance(60)
    assert desk.run(*REDRIVE) == 0
    assert desk.posts() == bodies
    assert [len(request["Entries"]) for request in desk.sqs.calls.requests("SendMessageBatch")] == [2, 2, 2, 2]


def test_batches_keep_all_messages_in_order() -> None:
    outgoing = [(a_letter(), {"MessageBody": "x" * size}) for size in (1, BATCH_BYTES, 2, BATCH_BYTES - 2, 1)]
    batches = list(batches_within_bounds(outgoing))
    assert [len(batch) for batch in batches] == [1, 1, 2, 1]
    assert [pair for batch in batches for pair in batch] == outgoing
    assert list(batches_within_bounds([])) == []


def test_an_entry_that_is_refused_stays_and_is_told_and_its_neighbours_go(desk: Desk) -> None:
    bodies = desk.put(25)
    desk.sqs.faults.on_entries("SendMessageBatch", REFUSED, times=None, where=is_of(bodies[3]))
    assert desk.run(*REDRIVE) == 1
    assert desk.dead_letters() == [bodies[3]]
    assert desk.posts() == sorted(set(bodies) - {bodies[3]})
    assert desk.out.startswith("redriven 24 of 25 chosen")
    assert "  1 not accepted and left in the dead letters: InvalidMessageContents" in desk.out
    assert desk.sqs.ledger.bodies(What.ACCEPTED, POSTS)[bodies[4]] == 1


def test_an_entry_that_fails_in_passing_is_sent_again_alone(desk: Desk) -> None:
    bodies = desk.put(10)
    desk.sqs.faults.on_entries("SendMessageBatch", EntryFails("InternalError"), times=2, where=is_of(bodies[3]))
    assert desk.run(*REDRIVE) == 0
    assert desk.posts() == sorted(bodies)
    assert [len(request["Entries"]) for request in desk.sqs.calls.requests("SendMessageBatch")] == [10, 1, 1]


def test_an_entry_that_goes_on_failing_is_left(desk: Desk) -> None:
    bodies = desk.put(10)
    desk.sqs.faults.on_entries("SendMessageBatch", EntryFails("InternalError"), times=None, where=is_of(bodies[3]))
    assert desk.run(*REDRIVE) == 1
    assert desk.dead_letters() == [bodies[3]]
    assert len(desk.sqs.calls.requests("SendMessageBatch")) == TRIES


def test_a_batch_that_is_refused_as_a_whole_is_sent_one_by_one(desk: Desk) -> None:
    bodies = desk.put(10)
    refusal = type(INTERNAL_ERROR)("InvalidMessageContents")

    def has_bad(request: Any) -> bool:
        return any(entry["MessageBody"] == bodies[3] for entry in request["Entries"])

    desk.sqs.faults.on("SendMessageBatch", refusal, times=None, where=has_bad)
    assert desk.run(*REDRIVE) == 1
    assert desk.dead_letters() == [bodies[3]]
    assert desk.posts() == sorted(set(bodies) - {bodies[3]})
    assert "1 not accepted and left in the dead letters: " in desk.out


@pytest.mark.parametrize("fault", [NeverArrives(), INTERNAL_ERROR, THROTTLING], ids=["no way", "down", "throttled"])
def test_trouble_in_passing_costs_nothing(desk: Desk, fault: NeverArrives) -> None:
    bodies = desk.put(20)
    for operation in ("ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
        desk.sqs.faults.on(operation, fault)
    assert desk.run(*REDRIVE) == 0
    assert desk.posts() == sorted(bodies)
    assert desk.sqs.bodies(POSTS_DEAD) == []


@pytest.mark.parametrize(
    ("fault", "kind"), [(NeverArrives(), Unavailable), (ACCESS_DENIED, UserMistake)], ids=["no way", "denied"]
)
def test_trouble_that_lasts_ends_the_run_with_everything_in_place(
    desk: Desk, fault: Any, kind: type[Exception]
) -> None:
    bodies = desk.put(30)
    desk.sqs.faults.on("SendMessageBatch", fault, times=None, skip=1)
    with pytest.raises(kind, match=r"^redriving to tweet-alerts-local-posts: expected an answer of SQS, got: "):
        desk.run(*REDRIVE)
    assert len(desk.posts()) == 10
    assert sorted([*desk.posts(), *desk.dead_letters()]) == sorted(bodies)
    assert desk.out.startswith("redriven 10 of 20 chosen")
    assert ("10 may have been accepted, no answer came" in desk.out) == (kind is Unavailable)


def test_a_lost_answer_costs_a_repeat_and_nothing_else(desk: Desk) -> None:
    bodies = desk.put(30)
    desk.sqs.faults.on("SendMessageBatch", LosesAnswer(), skip=1)
    desk.sqs.faults.on("DeleteMessageBatch", LosesAnswer(), skip=2)
    assert desk.run(*REDRIVE) == 0
    assert set(desk.posts()) == set(bodies)
    assert Counter(Counter(desk.posts()).values()) == {1: 20, 2: 10}
    assert desk.sqs.bodies(POSTS_DEAD) == []


def test_what_cannot_be_deleted_is_told_and_sent_no_second_time_in_this_run(desk: Desk) -> None:
    bodies = desk.put(12)
    desk.sqs.faults.on("DeleteMessageBatch", NeverArrives(), times=None)
    assert desk.run(*REDRIVE) == 1
    assert desk.posts() == sorted(bodies)
    assert desk.dead_letters() == sorted(bodies)
    assert "  12 accepted that could not be deleted: another run would send them again" in desk.out


def test_what_could_not_be_deleted_at_first_is_deleted_at_the_end(desk: Desk) -> None:
    bodies = desk.put(12)
    desk.sqs.faults.on("DeleteMessageBatch", NeverArrives(), times=TRIES)
    assert desk.run(*REDRIVE) == 0
    assert desk.posts() == sorted(bodies)
    assert desk.sqs.bodies(POSTS_DEAD) == []


def test_messages_that_fail_again_are_not_picked_up_again(desk: Desk) -> None:
    """A reader as fast as can be: what comes back is a dead letter again before the next receive."""
    bodies = desk.put(25)

    def give_up_again(method: str) -> None:
        if method != "send_message_batch":
            return
        assert len(desk.sqs.calls.requests("SendMessageBatch")) < 50, "round and round"
        while received := desk.sqs.client.receive_message(
            QueueUrl=URLS + POSTS, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages"):
            for message in received:
                desk.sqs.client.send_message(
                    QueueUrl=URLS + POSTS_DEAD,
                    MessageBody=message["Body"],
                    MessageAttributes=message["MessageAttributes"] | string_attributes({"reason": "again"}),
                )
                desk.sqs.client.delete_message(QueueUrl=URLS + POSTS, ReceiptHandle=message["ReceiptHandle"])

    desk.after = give_up_again
    for times in (1, 2, 3):
        assert desk.run(*REDRIVE) == 0
        assert set(desk.sqs.ledger.bodies(What.ACCEPTED, POSTS).values()) == {times}
        assert desk.dead_letters() == sorted(bodies)
        told = attributes_in(desk, POSTS_DEAD)
        assert {(each["reason"], each["redriven"]) for each in told} == {("again", str(times))}
        desk.clock.advance(10)


@pytest.mark.parametrize("ahead", [-7200.0, 7200.0], ids=["slow", "fast"])
def test_a_clock_of_the_users_that_is_wrong_changes_nothing(desk: Desk, ahead: float) -> None:
    desk.ahead = ahead
    old = desk.put(5, age=3600)
    desk.put(5, age=0.5)
    assert desk.run(*REDRIVE, "--older-than", "30m") == 0
    assert desk.posts() == old
    assert desk.run(*REDRIVE) == 0
    assert len(desk.posts()) == 10


def test_messages_of_the_same_second_as_the_start_go_back(desk: Desk) -> None:
    bodies = desk.put(5, age=0)
    assert desk.run(*REDRIVE) == 0
    assert desk.posts() == sorted(bodies)


@pytest.mark.parametrize(("rate", "number"), [(20, 100), (3, 10), (1, 4)])
def test_no_more_go_back_in_a_second_than_was_asked(desk: Desk, rate: int, number: int) -> None:
    desk.put(number)
    assert desk.run("redrive", "posts", "--yes", "--rate", f"{rate}/s") == 0
    times = [entry.at_ms for entry in desk.sqs.ledger.entries(What.ACCEPTED, queue=POSTS)]
    assert len(times) == number
    per_second = Counter((at - times[0]) // 1000 for at in times)
    assert max(per_second.values()) <= rate
    # and not much slower
    assert times[-1] - times[0] <= (number / rate + 1) * 1000


def test_what_is_not_chosen_stays_hidden_through_a_slow_run(desk: Desk) -> None:
    desk.put(100, "not a post: odd")
    others = desk.put(50, "refused by the model: long")
    assert desk.run("redrive", "posts", "--yes", "--rate", "1/s", "--reason", "not a post", "--visibility", "10") == 0
    assert len(desk.posts()) == 100
    assert desk.dead_letters() == sorted(others)
    assert set(desk.sqs.ledger.bodies(What.DELIVERED, POSTS_DEAD).values()) == {1}


def test_ctrl_c_between_send_and_delete_finishes_the_batch_in_hand(desk: Desk) -> None:
    bodies = desk.put(30)
    desk.after = lambda method: desk.interruption.signalled(2) if method == "send_message_batch" else None
    assert desk.run(*REDRIVE) == 130
    assert len(desk.posts()) == 10
    assert sorted([*desk.posts(), *desk.dead_letters()]) == sorted(bodies)
    assert desk.out.startswith("redriven 10 of 10 chosen, of 10 looked at")
    assert desk.err == "stopped: what was not redriven is still in the dead letters\n"


@pytest.mark.parametrize("method", ["receive_message", "send_message_batch", "delete_message_batch"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_at_any_call_leaves_each_message_in_one_place(desk: Desk, method: str, number: int, when: str) -> None:
    bodies = desk.put(30)
    calls: list[str] = []

    def interrupt(called: str) -> None:
        if called == method:
            calls.append(called)
            if len(calls) == number:
                desk.interruption.signalled(2)

    setattr(desk, when, interrupt)
    assert desk.run(*REDRIVE) == 130
    assert sorted([*desk.posts(), *desk.dead_letters()]) == sorted(bodies)
    assert desk.out.startswith(f"redriven {len(desk.posts())} of ")


def test_ctrl_c_while_it_waits_for_its_pace_sends_nothing_more(desk: Desk) -> None:
    bodies = desk.put(30)
    sent: list[str] = []

    def interrupt(method: str) -> None:
        sent.append(method)
        if sent.count("send_message_batch") == 1 and method == "receive_message":
            desk.interruption.signalled(2)

    desk.after = interrupt
    assert desk.run("redrive", "posts", "--yes", "--rate", "1/s") == 130
    assert len(desk.posts()) == 1
    assert sorted([*desk.posts(), *desk.dead_letters()]) == sorted(bodies)


@pytest.mark.parametrize("method", ["send_message_batch", "delete_message_batch", "change_message_visibility_batch"])
def test_a_second_ctrl_c_ends_it_at_once_and_tells_what_was_done(desk: Desk, method: str) -> None:
    bodies = desk.put(30, "refused by the model: long") + desk.put(30)

    def interrupt_twice(called: str) -> None:
        if called == method:
            desk.interruption.signalled(2)
            desk.interruption.signalled(2)

    desk.after = interrupt_twice
    with pytest.raises(KeyboardInterrupt):
        desk.run(*REDRIVE, "--reason", "not a post", "--visibility", "60")
    assert desk.out.startswith("redriven ")
    desk.clock.advance(61)
    # nothing is lost: what was in hand is in one of the queues, or in both
    assert {*desk.posts(), *desk.dead_letters()} == set(bodies)


@pytest.mark.parametrize("seed", range(10))
def test_faults_of_all_kinds_lose_nothing(desk: Desk, seed: int) -> None:
    bodies = [*desk.put(60), *desk.put(60, "refused by the model: long")]
    desk.sqs.faults._rng = random.Random(seed)
    desk.sqs.faults.at_random(
        FaultRates(
            never_arrives=0.05,
            throttled=0.05,
            internal_error=0.05,
            answer_lost=0.05,
            receives_nothing=0.1,
            reordered=0.3,
            duplicated=0.1,
            entry_fails=0.05,
            entry_fails_though_done=0.05,
            late_visibility=0.1,
        )
    )
    try:
        desk.run(*REDRIVE, "--reason", "not a post")
    except Unavailable:
        assert "redriven" in desk.out
    desk.sqs.faults.clear()
    desk.clock.advance(100)
    left = {*desk.posts(), *desk.dead_letters()}
    assert left == set(bodies)
    assert not set(bodies[60:]) & set(desk.posts())
    assert desk.run(*REDRIVE, "--reason", "not a post") == 0
    assert set(desk.posts()) == set(bodies[:60])
    assert desk.dead_letters() == sorted(bodies[60:])


@pytest.mark.parametrize(("answer", "redriven"), [("y\n", 3), ("Yes\n", 3), ("n\n", 0), ("\n", 0), ("", 0)])
def test_it_asks_before_it_does_anything(answer: str, redriven: int) -> None:
    desk = Desk(answer=answer)
    desk.put(3)
    assert desk.run("redrive", "posts", "--reason", "a post", "--limit", "5") == (0 if redriven else 1)
    assert len(desk.posts()) == redriven
    assert bool(desk.out) == bool(redriven)
    assert desk.err.endswith("[y/N] nothing was done\n") == (not redriven)


@pytest.mark.parametrize(
    ("asked", "question"),
    [
        ((), "20 a second, all messages, about 1, of"),
        (("--rate", "unlimited"), "as fast as can be, all messages, about 1, of"),
        (("--limit", "1"), "20 a second, 1 message at most, of about 1 in"),
        (("--reason", "a\x1b[2Jb"), "20 a second, every message with 'ab' in the reason, of about 1 in"),
        (
            ("--service", "notifier", "--older-than", "90m", "--newer-than", "3d", "--limit", "2000"),
            "20 a second, 2,000 messages at most of service 'notifier', older than 1 h 30 min, newer than 3 d,"
            " of about 1 in",
        ),
    ],
)
def test_the_question_says_what_is_meant(asked: tuple[str, ...], question: str) -> None:
    desk = Desk(answer="n")
    desk.put(1)
    desk.run("redrive", "posts", *asked)
    assert desk.err.startswith(
        f"send back to tweet-alerts-local-posts, {question} tweet-alerts-local-posts-dlq? [y/N] "
    )


def test_where_nobody_can_be_asked_it_is_a_mistake(desk: Desk) -> None:
    desk.put(3)
    with pytest.raises(UserMistake, match=r"^--yes: expected it where standard input is no terminal"):
        desk.run("redrive", "posts")
    assert len(desk.dead_letters()) == 3
