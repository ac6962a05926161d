"""The books of what a reader holds: until when, by which receipt, in whose hands."""

from collections.abc import Sequence

import pytest

from pipeline.claims import LONGEST_CLAIM, LONGEST_PROLONGATION, MARGIN, Claims, Prolongation, Stage
from pipeline.received_message import ReceivedMessage
from tests.support.fake_sqs import FakeClock

VISIBILITY = 60


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def claims(clock: FakeClock) -> Claims:
    return Claims(VISIBILITY, clock)


def message(number: int, receive: int = 1) -> ReceivedMessage:
    return ReceivedMessage(f"id-{number}", f"body {number}", f"receipt-{number}-{receive}", receive, {}, sent_at=number)


def in_hand(claims: Claims, *numbers: int) -> list[ReceivedMessage]:
    messages, lost = claims.hand_out(claims.admit([message(number) for number in numbers]))
    assert (len(messages), lost) == (len(numbers), 0)
    return messages


def prolong(claims: Claims, clock: FakeClock, limit: int = 10) -> list[Prolongation]:
    """As a heartbeat whose call takes no time."""
    batch = claims.take_due(limit)
    claims.prolonged(batch, clock())
    return batch


def ids(batch: Sequence[Prolongation]) -> list[str]:
    return [claim.id for claim, _receipt, _seconds in batch]


# One claim for each message


def test_what_arrives_again_in_the_buffer_or_in_hand_is_not_new(claims: Claims) -> None:
    in_hand(claims, 1)
    buffered = claims.admit([message(2)])
    new = claims.admit([message(1, receive=2), message(2, receive=2), message(3)])
    assert [one.id for one, _claim in new] == ["id-3"]
    assert [one.id for one in claims.hand_out([*buffered, *new])[0]] == ["id-2", "id-3"]


def test_a_message_twice_in_one_receive_is_new_once(claims: Claims) -> None:
    ((_, claim),) = claims.admit([message(1), message(1, receive=2)])
    assert claim.receipt == "receipt-1-2"


def test_an_arrival_renews_the_receipt_and_the_time_of_a_claim(claims: Claims, clock: FakeClock) -> None:
    (held,) = in_hand(claims, 1)
    clock.now += 50
    claims.admit([message(1, receive=2)])
    clock.now += 59
    assert claims.lapse() == 0
    (claim,) = claims.done([held])
    assert claim.receipt == "receipt-1-2"


def test_an_arrival_renews_a_claim_that_has_lapsed(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1)
    clock.now += 61
    assert claims.lapse() == 1
    assert claims.admit([message(1, receive=2)]) == []
    clock.now += 41
    assert ids(prolong(claims, clock)) == ["id-1"]
    clock.now += 1000
    assert claims.lapse() == 1  # it is a claim like any other, and its loss is told anew


def test_a_released_message_that_arrives_again_is_new_and_the_old_delivery_settles_nothing(claims: Claims) -> None:
    old = in_hand(claims, 1)
    claims.release(old)
    new, _ = claims.hand_out(claims.admit([message(1, receive=2)]))
    assert len(new) == 1
    assert claims.done(old) == claims.release(old) == []
    assert not claims.is_in_hand(old[0])
    assert claims.is_in_hand(new[0])


def test_a_message_is_settled_once(claims: Claims) -> None:
    first, second = in_hand(claims, 1, 2)
    assert len(claims.done([first, second])) == 2
    assert claims.done([first]) == claims.release([second]) == []


def test_a_message_that_was_not_handed_out_settles_nothing(claims: Claims) -> None:
    claims.admit([message(1)])
    assert claims.done([message(1)]) == claims.release([message(1)]) == []


def test_what_is_done_stays_claimed_until_it_is_deleted(claims: Claims) -> None:
    (claim,) = claims.done(in_hand(claims, 1))
    assert claims.is_held("id-1")
    assert claims.admit([message(1, receive=2)]) == []
    assert claims.deleted([(claim, "receipt-1-2")]) == []
    assert not claims.is_held("id-1")


def test_what_arrived_again_while_it_was_deleted_is_to_be_deleted_again(claims: Claims) -> None:
    (claim,) = claims.done(in_hand(claims, 1))
    claims.admit([message(1, receive=2)])
    assert claims.deleted([(claim, "receipt-1-1")]) == [claim]
    assert claims.is_held("id-1")


def test_releasing_all_leaves_what_is_done(claims: Claims) -> None:
    done = in_hand(claims, 1)
    in_hand(claims, 2)
    claims.admit([message(3)])
    claims.done(done)
    assert [claim.id for claim in claims.release_all()] == ["id-2", "id-3"]
    assert [claims.is_held(f"id-{number}") for number in (1, 2, 3)] == [True, False, False]


def test_only_what_still_lies_in_the_buffer_is_released_as_buffered(claims: Claims) -> None:
    buffered = claims.admit([message(1), message(2)])
    claims.hand_out(buffered[:1])
    assert [claim.id for claim in claims.release_buffered(buffered)] == ["id-2"]
    assert claims.hand_out(buffered) == ([], 0)


# What is due


def test_work_that_ends_within_two_thirds_of_the_timeout_causes_no_prolongation(
    claims: Claims, clock: FakeClock
) -> None:
    held = in_hand(claims, 1)
    clock.now += 39.9
    assert claims.take_due(10) == []
    assert claims.seconds_until_due() == pytest.approx(0.1)
    claims.deleted([(claim, claim.receipt) for claim in claims.done(held)])
    assert claims.seconds_until_due() == float("inf")


def test_a_message_is_due_with_a_third_of_its_time_left_buffered_in_hand_or_done(
    claims: Claims, clock: FakeClock
) -> None:
    claims.admit([message(1)])
    done = in_hand(claims, 2)
    in_hand(claims, 3)
    claims.done(done)
    clock.now += 40
    assert claims.seconds_until_due() == 0
    assert sorted(ids(claims.take_due(10))) == ["id-1", "id-2", "id-3"]


def test_a_batch_is_filled_with_those_that_are_due_next(claims: Claims, clock: FakeClock) -> None:
    for number in range(12):
        in_hand(claims, number)
        clock.now += 1
    clock.now += 28
    assert ids(claims.take_due(10)) == [f"id-{number}" for number in range(10)]
    assert claims.take_due(10) == []


def test_what_is_being_prolonged_is_not_taken_again(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1, 2)
    clock.now += 40
    assert len(claims.take_due(1)) == len(claims.take_due(10)) == 1
    assert claims.take_due(10) == []


def test_prolongations_grow_with_the_time_held_up_to_ten_minutes(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1)
    seconds = []
    for _ in range(9):
        clock.now += claims.seconds_until_due()
        seconds += [one.seconds for one in prolong(claims, clock)]
    assert seconds[:4] == [60, 80, 133, 222]
    assert seconds[-2:] == [LONGEST_PROLONGATION, LONGEST_PROLONGATION]
    assert sorted(seconds) == seconds


def test_the_calls_for_a_message_grow_with_the_logarithm_of_its_work(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1)
    start = clock()
    calls = {}
    for number in range(1, 8):
        clock.now += claims.seconds_until_due()
        prolong(claims, clock)
        calls[number] = clock() - start
    # by the n-th call at least 1.5 times as long has passed as by the one before
    assert all(calls[number + 1] > 1.5 * calls[number] for number in range(1, 6))


def test_a_visibility_timeout_beyond_ten_minutes_is_what_prolongations_have_too(clock: FakeClock) -> None:
    claims = Claims(3600, clock)
    in_hand(claims, 1)
    clock.now += 2399
    assert claims.take_due(10) == []
    clock.now += 1
    assert [one.seconds for one in prolong(claims, clock)] == [3600]
    assert claims.seconds_until_due() == 2400


def test_a_prolongation_that_failed_is_due_three_times_more_before_it_runs_out(
    claims: Claims, clock: FakeClock
) -> None:
    in_hand(claims, 1)
    tries = []
    start = clock()
    while not claims.lapse():
        clock.now += claims.seconds_until_due()
        if batch := claims.take_due(10):
            tries.append(clock() - start)
            claims.not_prolonged(batch)
    assert tries == [40, 45, 50, 55]
    assert clock() - start == 60


def test_an_answer_about_a_receipt_that_was_renewed_meanwhile_changes_nothing(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1, 2, 3)
    clock.now += 40
    batch = claims.take_due(10)
    clock.now += 1
    claims.admit([message(number, receive=2) for number in (1, 2, 3)])
    claims.prolonged(batch[:1], clock() - 1)
    claims.not_prolonged(batch[1:2])
    assert claims.refused(batch[2:]) == 0
    assert claims.seconds_until_due() == 40
    assert len(claims.take_due(10)) == 0
    clock.now += 40
    assert len(claims.take_due(10)) == 3


# SQS' twelve hours


def test_no_prolongation_reaches_beyond_twelve_hours_from_the_receive(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1)
    start = clock()
    reaches, calls = 0.0, 0
    while not claims.lapse():
        clock.now += claims.seconds_until_due()
        for one in prolong(claims, clock):
            calls += 1
            reaches = clock() - start + one.seconds
    assert LONGEST_CLAIM - MARGIN - 1 <= reaches <= LONGEST_CLAIM - MARGIN
    assert clock() - start == reaches
    # one for every 400 s and no shower of ever shorter ones at the end
    assert calls < LONGEST_CLAIM / 400 + 10


def test_the_twelve_hours_count_from_the_newest_receive(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1)
    for _ in range(20):
        clock.now += claims.seconds_until_due()
        prolong(claims, clock)
    clock.now += 3 * 3600
    claims.admit([message(1, receive=2)])
    renewed = clock()
    while not claims.lapse():
        clock.now += claims.seconds_until_due()
        prolong(claims, clock)
    assert clock() - renewed == pytest.approx(LONGEST_CLAIM - MARGIN, abs=1)


# Claims that are lost


def test_a_claim_in_the_buffer_that_has_run_out_is_dropped_and_not_handed_out(claims: Claims, clock: FakeClock) -> None:
    buffered = claims.admit([message(1), message(2)])
    clock.now += 60
    assert claims.hand_out(buffered[:1]) == ([], 1)
    assert claims.lapse() == 1
    assert claims.hand_out(buffered) == ([], 0)
    assert not claims.is_held("id-1")
    assert [one.id for one, _ in claims.admit([message(1, receive=2), message(2, receive=2)])] == ["id-1", "id-2"]


def test_a_claim_in_hand_that_has_run_out_is_told_once_and_known_until_its_owner_is_done(
    claims: Claims, clock: FakeClock
) -> None:
    held = in_hand(claims, 1)
    clock.now += 60
    assert (claims.lapse(), claims.lapse()) == (1, 0)
    assert claims.take_due(10) == []
    (claim,) = claims.done(held)
    assert claim.receipt == "receipt-1-1"
    assert claims.undeletable([claim]) == 0  # it was told before
    assert not claims.is_held("id-1")


def test_a_receipt_that_is_refused_makes_a_claim_lapse(claims: Claims, clock: FakeClock) -> None:
    in_hand(claims, 1)
    clock.now += 40
    assert claims.refused(claims.take_due(10)) == 1
    assert claims.is_held("id-1")
    assert claims.seconds_until_due() == float("inf")
    clock.now += 60
    assert claims.lapse() == 0


def test_a_refusal_of_what_was_settled_meanwhile_is_no_loss(claims: Claims, clock: FakeClock) -> None:
    released, deleted, done = in_hand(claims, 1, 2, 3)
    clock.now += 40
    batch = claims.take_due(10)
    claims.release([released])
    claims.deleted([(claim, claim.receipt) for claim in claims.done([deleted])])
    (claim,) = claims.done([done])
    assert claims.refused(batch) == 0
    # what becomes of its deletion decides
    assert claim.stage is Stage.DONE
    assert claims.undeletable([claim]) == 1


def test_a_lapsed_message_need_not_be_given_back(claims: Claims, clock: FakeClock) -> None:
    held = in_hand(claims, 1)
    clock.now += 60
    claims.lapse()
    assert claims.release(held) == []
    assert not claims.is_held("id-1")


def test_a_deletion_that_is_waited_for_beyond_its_claim_is_not_told_as_a_loss(claims: Claims, clock: FakeClock) -> None:
    (claim,) = claims.done(in_hand(claims, 1))
    clock.now += 60
    assert claims.lapse() == 0
    assert claims.take_due(10) == []
    assert claims.deleted([(claim, claim.receipt)]) == []


def test_the_oldest_is_known_of_what_is_buffered_or_in_hand(claims: Claims) -> None:
    assert claims.oldest_sent_at() is None
    oldest = in_hand(claims, 1)
    claims.admit([message(2)])
    assert claims.oldest_sent_at() == 1
    claims.done(oldest)
    assert claims.oldest_sent_at() == 2
