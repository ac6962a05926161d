"""`dead-letters purge`: what was meant is gone, and nothing else."""

import pytest

from pipeline.errors import Unavailable, UserMistake
from tests.support.dead_letter_desk import Desk
from tests.support.strict_sqs.faults import EntryFails, NeverArrives


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_everything_in_one_call(desk: Desk) -> None:
    desk.put(30)
    assert desk.run("purge", "posts", "--yes") == 0
    assert desk.dead_letters() == []
    assert len(desk.sqs.calls.requests("PurgeQueue")) == 1
    assert not desk.sqs.calls.requests("ReceiveMessage")
    assert desk.out == "purged tweet-alerts-local-posts-dlq of about 30 messages; SQS takes up to a minute for it\n"


def test_a_second_time_within_a_minute_is_a_mistake(desk: Desk) -> None:
    desk.run("purge", "posts", "--yes")
    with pytest.raises(UserMistake, match=r"^purging tweet-alerts-local-posts-dlq: .*PurgeQueueInProgress: Only one"):
        desk.run("purge", "posts", "--yes")


def test_only_what_was_chosen(desk: Desk) -> None:
    odd = desk.put(15, "not a post: odd")
    others = desk.put(20, "refused by the model: long")
    assert desk.run("purge", "posts", "--yes", "--reason", "not a post", "--limit", "12") == 0
    assert len(desk.dead_letters()) == 23
    assert set(others) < set(desk.dead_letters()) < {*odd, *others}
    assert desk.out.startswith("deleted 12 of 12 chosen, of ")
    assert not desk.sqs.calls.requests("PurgeQueue")
    assert desk.posts() == []


def test_a_dry_run_touches_nothing(desk: Desk) -> None:
    bodies = desk.put(15)
    assert desk.run("purge", "posts", "--dry-run") == 0
    assert desk.dead_letters() == sorted(bodies)
    assert desk.out.startswith("15 messages of 15 looked at in tweet-alerts-local-posts-dlq would be deleted\n")


def test_what_cannot_be_deleted_is_told(desk: Desk) -> None:
    desk.put(15)
    desk.sqs.faults.on_entries("DeleteMessageBatch", EntryFails(), times=None, where=lambda entry: entry["Id"] == "3")
    assert desk.run("purge", "posts", "--yes", "--reason", "a") == 1
    assert len(desk.dead_letters()) == 2
    assert "deleted 13 of 15 chosen, of 15 looked at" in desk.out
    assert "  2 could not be deleted\n" in desk.out


def test_trouble_that_lasts_is_told_after_what_was_done(desk: Desk) -> None:
    bodies = desk.put(30)
    desk.sqs.faults.on("ReceiveMessage", NeverArrives(), times=None, skip=1)
    with pytest.raises(Unavailable, match=r"^purging tweet-alerts-local-posts-dlq: expected an answer"):
        desk.run("purge", "posts", "--yes", "--service", "classifier")
    assert desk.out.startswith("deleted 10 of 10 chosen")
    assert len(desk.dead_letters()) == len(bodies) - 10


def test_ctrl_c_ends_it_between_two_batches(desk: Desk) -> None:
    desk.put(30)
    desk.after = lambda method: desk.interruption.signalled(2) if method == "receive_message" else None
    assert desk.run("purge", "posts", "--yes", "--reason", "a") == 130
    assert desk.out.startswith("deleted 10 of 10 chosen, of 10 looked at")
    assert len(desk.dead_letters()) == 20


@pytest.mark.parametrize(
    ("filters", "question"),
    [
        ((), "delete for good all messages, about 3, of tweet-alerts-local-posts-dlq? [y/N] "),
        (
            ("--older-than", "1d"),
            "delete for good every message older than 1 d, of about 3 in tweet-alerts-local-posts-dlq? [y/N] ",
        ),
    ],
)
def test_it_asks_first(filters: tuple[str, ...], question: str) -> None:
    desk = Desk(answer="no\n")
    desk.put(3)
    assert desk.run("purge", "posts", *filters) == 1
    assert desk.err == f"{question}nothing was done\n"
    assert len(desk.dead_letters()) == 3
