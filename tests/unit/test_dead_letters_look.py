"""One pass over a dead-letter queue: everything is seen once and visible again at the end."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.backoff import Backoff
from pipeline.dead_letters.look import (
    DRY_POLLS,
    DRY_POLLS_WHILE_MISSING,
    LONGEST_VISIBILITY,
    Ended,
    Look,
    visibility_for,
)
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.tries import TRIES, Tries
from tests.support.dead_letter_desk import POSTS_DEAD, URLS, Desk
from tests.support.strict_sqs import Limits, What
from tests.support.strict_sqs.faults import (
    ACCESS_DENIED,
    ANY,
    INTERNAL_ERROR,
    EntryFails,
    LosesAnswer,
    NeverArrives,
    Receives,
    Refuses,
)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    assert not desk.sqs.disagreements()


def look_of(desk: Desk, visibility: int | None = None, most_held: int = 1000) -> Look:
    visible, in_flight, delayed = desk.sqs.broker.counts(POSTS_DEAD)
    queue = Queue(URLS + POSTS_DEAD, "arn", visible, in_flight, delayed, desk.clock())
    tries = Tries(lambda: Backoff(0.2, 3.0, random.Random(1)), desk.interruption.pause)
    return Look(desk.sqs.client, tries, queue, desk.interruption, desk.clock, visibility, most_held)


def seen(look: Look, size: int = 10) -> list[str]:
    return [letter.body for letters in look.batches(size) for letter in letters]


@pytest.mark.parametrize("number", [0, 1, 10, 11, 57])
def test_each_message_is_seen_once_and_visible_afterwards(desk: Desk, number: int) -> None:
    bodies = desk.put(number)
    look = look_of(desk)
    assert sorted(seen(look)) == sorted(bodies)
    assert (look.looked_at, look.ended) == (number, Ended.DRY)
    assert desk.dead_letters() == []
    assert look.give_back() == 0
    assert desk.dead_letters() == sorted(bodies)


def test_receives_that_bring_nothing_are_no_end_until_there_are_several_in_a_row(desk: Desk) -> None:
    bodies = desk.put(30)
    receives = itertools.count(1)
    desk.sqs.faults.on(
        "ReceiveMessage",
        Receives(nothing=True),
        times=None,
        where=lambda _request: next(receives) in {1, 2, 3, 5, 6, 7, 9},
    )
    assert sorted(seen(look_of(desk))) == sorted(bodies)
    assert next(receives) - 1 == 3 + 7 + DRY_POLLS


def test_a_queue_that_keeps_what_it_counted_is_asked_more_often(desk: Desk) -> None:
    desk.put(5)
    desk.sqs.faults.on("ReceiveMessage", Receives(nothing=True), times=None)
    look = look_of(desk)
    assert seen(look) == []
    assert look.ended is Ended.DRY
    assert len(desk.sqs.calls.requests("ReceiveMessage")) == DRY_POLLS_WHILE_MISSING


def test_messages_that_come_twice_are_seen_once(desk: Desk) -> None:
    bodies = desk.put(40)
    desk.sqs.faults.on("ReceiveMessage", Receives(duplicates=3, reordered=True), times=None)
    look = look_of(desk)
    assert sorted(seen(look)) == sorted(bodies)
    assert look.looked_at == 40


def test_what_is_held_stays_hidden_however_long_the_pass_takes(desk: Desk) -> None:
    bodies = desk.put(25)
    look = look_of(desk, visibility=60)
    found = []
    for letters in look.batches(5):
        found += [letter.body for letter in letters]
        desk.clock.advance(25)
    assert sorted(found) == sorted(bodies)
    deliveries = desk.sqs.ledger.bodies(What.DELIVERED, POSTS_DEAD)
    assert set(deliveries.values()) == {1}
    assert look.give_back() == 0
    assert desk.dead_letters() == sorted(bodies)


def test_a_pass_over_messages_that_turn_visible_all_the_time_ends(desk: Desk) -> None:
    bodies = desk.put(20)
    look = look_of(desk, visibility=30)
    found = []
    for letters in look.batches():
        found += [letter.body for letter in letters]
        desk.clock.advance(31)  # a machine that slept
    assert sorted(found) == sorted(bodies)
    assert look.give_back() == 0
    assert desk.dead_letters() == sorted(bodies)


def test_as_many_are_held_as_may_be_and_no_more(desk: Desk) -> None:
    desk.put(50)
    look = look_of(desk, most_held=20)
    assert len(seen(look)) == 20
    assert look.ended is Ended.FULL
    look.give_back()
    assert len(desk.dead_letters()) == 50


def test_what_others_hold_counts_towards_the_bound_of_sqs() -> None:
    desk = Desk(limits=Limits(in_flight=15))
    desk.put(30)
    look = look_of(desk)
    # a long poll is no error at the bound, it brings nothing (SQS Developer Guide: standard queue quotas)
    assert len(seen(look)) == 15
    assert look.give_back() == 0
    assert len(desk.dead_letters()) == 30


def test_over_limit_ends_the_pass(desk: Desk) -> None:
    desk.put(30)
    desk.sqs.faults.on("ReceiveMessage", Refuses("OverLimit", "Too many messages", 403), skip=1)
    look = look_of(desk)
    assert len(seen(look)) == 10
    assert look.ended is Ended.FULL


def test_a_deleted_message_that_comes_again_is_deleted_again_and_not_told(desk: Desk) -> None:
    """One of SQS' servers was away when it was deleted (SQS API Reference: DeleteMessage)."""
    desk.put(12)
    real = desk.sqs.client.receive_message
    answers: list[Any] = []

    def receive(**request: Any) -> Any:
        answers.append(answers[0] if len(answers) == 1 else real(**request))
        return answers[-1]

    desk.sqs.client.receive_message = receive  # type: ignore[method-assign]
    look = look_of(desk)
    found = []
    for letters in look.batches():
        found += [letter.body for letter in letters]
        assert look.delete(letters) == []
    assert len(found) == len(set(found)) == look.looked_at == 12
    assert [len(request["Entries"]) for request in desk.sqs.calls.requests("DeleteMessageBatch")] == [10, 10, 2]
    assert desk.sqs.bodies(POSTS_DEAD) == []


def test_a_message_that_cannot_be_deleted_is_told_and_stays_held(desk: Desk) -> None:
    bodies = desk.put(3)
    look = look_of(desk)
    batches = look.batches()
    letters = next(batches)
    desk.sqs.faults.on_entries(
        "DeleteMessageBatch", EntryFails("InternalError"), times=None, where=lambda entry: entry["Id"] == "1"
    )
    assert look.delete(letters) == [letters[1]]
    assert look.held == 1
    assert len(desk.sqs.calls.requests("DeleteMessageBatch")) == TRIES
    look.give_back()
    assert desk.dead_letters() == [bodies[1]]


@pytest.mark.parametrize("fault", [NeverArrives(), ACCESS_DENIED], ids=["no way", "denied"])
def test_a_queue_that_deletes_nothing_raises_nothing(desk: Desk, fault: NeverArrives) -> None:
    desk.put(3)
    look = look_of(desk)
    letters = next(look.batches())
    desk.sqs.faults.on("DeleteMessageBatch", fault, times=None)
    assert look.delete(letters) == letters


def test_a_lost_answer_to_a_delete_is_made_good_by_the_next_try(desk: Desk) -> None:
    desk.put(3)
    look = look_of(desk)
    letters = next(look.batches())
    desk.sqs.faults.on("DeleteMessageBatch", LosesAnswer())
    # what is gone already is no error (SQS API Reference: DeleteMessage)
    assert look.delete(letters) == []
    assert desk.sqs.bodies(POSTS_DEAD) == []


def test_what_could_not_be_made_visible_is_told(desk: Desk) -> None:
    bodies = desk.put(25)
    look = look_of(desk, visibility=60)
    seen(look)
    desk.sqs.faults.on("ChangeMessageVisibilityBatch", NeverArrives(), times=None, skip=1)
    assert look.give_back() == 15
    assert len(desk.dead_letters()) == 10
    desk.clock.advance(61)
    assert desk.dead_letters() == sorted(bodies)


def test_entries_that_fail_for_good_are_visible_already(desk: Desk) -> None:
    desk.put(3)
    look = look_of(desk, visibility=60)
    seen(look)
    desk.clock.advance(61)
    assert look.give_back() == 0


def test_it_stops_between_two_receives(desk: Desk) -> None:
    bodies = desk.put(30)
    look = look_of(desk)
    batches = look.batches()
    next(batches)
    desk.interruption.signalled(2)
    assert list(batches) == []
    assert look.ended is Ended.STOPPED
    assert look.give_back() == 0
    assert desk.dead_letters() == sorted(bodies)


def test_trouble_that_lasts_is_raised(desk: Desk) -> None:
    desk.put(1)
    desk.sqs.faults.on(ANY, INTERNAL_ERROR, times=None)
    with pytest.raises(ClientError):
        seen(look_of(desk))
    assert len(desk.sqs.calls.requests("ReceiveMessage")) == TRIES


@pytest.mark.parametrize(
    ("messages", "seconds"), [(0, 30), (2000, 70), (100_000, 2030), (10_000_000, LONGEST_VISIBILITY)]
)
def test_the_more_there_are_the_longer_they_are_hidden_at_a_time(messages: int, seconds: int) -> None:
    assert visibility_for(messages) == seconds
