"""What waits, what goes next, and what is tried again when: the buffer of a writer, without threads or a clock."""

import math
import random

from pipeline.acceptance import Acceptance
from pipeline.backoff import Backoff
from pipeline.outgoing import Outgoing, OutgoingBuffer
from pipeline.sqs_rules import BATCH_BYTES

LINGER = 3.0


def a_buffer(max_bytes: int = 10 * BATCH_BYTES) -> OutgoingBuffer:
    return OutgoingBuffer(max_bytes, LINGER)


def a_message(body: str = "a", size: int | None = None, *, alone: bool = False) -> Outgoing:
    return Outgoing(body, {}, 0, len(body) if size is None else size, Acceptance(), alone=alone)


def filled(buffer: OutgoingBuffer, *bodies: str, now: float = 0.0) -> list[Outgoing]:
    messages = [a_message(body) for body in bodies]
    for message in messages:
        buffer.add(message, now)
    return messages


def bodies(messages: list[Outgoing]) -> str:
    return "".join(message.body for message in messages)


# Batches


def test_an_empty_buffer_has_nothing_and_is_never_due() -> None:
    buffer = a_buffer()
    assert buffer.take(1e9) == []
    assert buffer.next_due() == math.inf
    assert not buffer.waiting


def test_a_batch_is_due_once_its_first_message_has_lingered() -> None:
    buffer = a_buffer()
    filled(buffer, "a", now=10.0)
    filled(buffer, "b", now=12.9)
    assert buffer.next_due() == 13.0
    assert buffer.take(12.999) == []
    assert bodies(buffer.take(13.0)) == "ab"


def test_ten_messages_are_due_at_once_and_the_eleventh_keeps_its_own_time() -> None:
    buffer = a_buffer()
    filled(buffer, *"abcdefghij", now=0.0)
    filled(buffer, "k", now=1.0)
    assert bodies(buffer.take(1.0)) == "abcdefghij"
    assert buffer.take(1.0) == []
    assert buffer.next_due() == 4.0


def test_a_batch_has_at_most_one_mebibyte_and_is_due_when_it_is_full_of_it() -> None:
    buffer = a_buffer()
    buffer.add(a_message("a", BATCH_BYTES // 2), 0.0)
    buffer.add(a_message("b", BATCH_BYTES // 2 - 1), 0.0)
    assert buffer.take(0.0) == []
    buffer.add(a_message("c", 2), 0.0)
    assert bodies(buffer.take(0.0)) == "ab"
    assert buffer.take(0.0) == []
    assert bodies(buffer.take(LINGER)) == "c"


def test_a_message_of_a_whole_mebibyte_goes_by_itself() -> None:
    buffer = a_buffer()
    filled(buffer, "a")
    buffer.add(a_message("b", BATCH_BYTES), 0.0)
    filled(buffer, "c")
    assert [bodies(buffer.take(0.0)) for _ in range(3)] == ["a", "b", ""]


def test_a_suspect_shares_no_batch() -> None:
    buffer = a_buffer()
    batch = filled(buffer, *"abc")
    buffer.hurry()
    assert buffer.take(0.0) == batch
    batch[1].alone = batch[2].alone = True
    buffer.put_back(batch)
    filled(buffer, "d")
    assert [bodies(buffer.take(0.0)) for _ in range(4)] == ["a", "b", "c", ""]
    assert bodies(buffer.take(LINGER)) == "d"


# Whom to wake


def test_a_sender_is_woken_for_the_first_message_and_for_a_full_batch_and_for_no_other() -> None:
    buffer = a_buffer()
    assert [buffer.add(a_message(), 0.0) for _ in range(25)] == [True] + [False] * 8 + [True] + [False] * 15


def test_a_sender_is_woken_for_a_batch_that_is_full_in_bytes_once() -> None:
    buffer = a_buffer()
    assert [buffer.add(a_message(size=BATCH_BYTES // 2), 0.0) for _ in range(4)] == [True, True, False, False]


def test_a_sender_is_woken_for_what_has_lingered_too_long_already() -> None:
    buffer = a_buffer()
    filled(buffer, "a", now=0.0)
    assert buffer.add(a_message(), LINGER) is True


# Failures


def test_a_batch_that_is_put_back_is_first_and_lingers_no_more() -> None:
    buffer = a_buffer()
    batch = filled(buffer, "a", "b")
    assert buffer.take(LINGER) == batch
    filled(buffer, "c", now=LINGER)
    buffer.put_back(batch)
    assert buffer.next_due() == -math.inf
    assert bodies(buffer.take(LINGER)) == "abc"


def test_only_those_put_back_are_hurried() -> None:
    buffer = a_buffer()
    batch = filled(buffer, *"abcdefghij")
    buffer.take(0.0)
    filled(buffer, "k")
    buffer.put_back(batch)
    assert bodies(buffer.take(0.0)) == "abcdefghij"
    assert buffer.take(0.0) == []


def test_a_message_that_is_set_aside_lets_others_pass_and_is_in_line_again_at_its_time() -> None:
    buffer = a_buffer()
    (message,) = filled(buffer, "a")
    buffer.take(LINGER)
    buffer.set_aside(message, until=20.0)
    filled(buffer, "b", now=4.0)
    assert buffer.next_due() == 7.0
    assert bodies(buffer.take(7.0)) == "b"
    assert buffer.next_due() == 20.0
    assert buffer.take(19.9) == []
    assert buffer.waiting
    assert bodies(buffer.take(20.0)) == "a"
    assert not buffer.waiting


def test_one_whose_time_has_come_takes_along_what_waits_and_does_not_linger_again() -> None:
    buffer = a_buffer()
    (message,) = filled(buffer, "a")
    buffer.take(LINGER)
    buffer.set_aside(message, until=20.0)
    filled(buffer, "b", now=19.5)
    assert bodies(buffer.take(20.0)) == "ba"


def test_those_set_aside_come_in_the_order_of_their_times() -> None:
    buffer = a_buffer()
    messages = filled(buffer, *"abc")
    buffer.take(LINGER)
    for message, until in zip(messages, (9.0, 7.0, 8.0), strict=True):
        buffer.set_aside(message, until)
    assert bodies(buffer.take(9.0)) == "bca"


def test_each_message_has_a_backoff_of_its_own_with_the_figures_of_the_writers() -> None:
    of_writer = Backoff(1.0, 8.0, random.Random(1))
    for _ in range(10):
        of_writer.next()
    first, second = a_message(), a_message()
    waits = [first.next_wait(of_writer) for _ in range(6)]
    for wait, ceiling in zip(waits, (1, 2, 4, 8, 8, 8), strict=True):
        assert ceiling / 2 <= wait <= ceiling
    assert second.next_wait(of_writer) <= 1
    assert of_writer.next() >= 4, "a message's failure must not shorten the writer's own wait"


# Room


def test_room_is_bounded_in_bytes_until_messages_are_released_under_way_ones_included() -> None:
    buffer = a_buffer(max_bytes=10)
    batch = filled(buffer, "aaaa", "bbb")
    assert (buffer.has_room_for(3), buffer.has_room_for(4)) == (True, False)
    buffer.take(LINGER)
    assert not buffer.has_room_for(4)
    buffer.put_back(batch)
    buffer.take(LINGER)
    buffer.set_aside(batch[1], 99.0)
    buffer.release(batch[:1])
    assert buffer.size == 3
    assert (buffer.has_room_for(7), buffer.has_room_for(8)) == (True, False)


def test_an_empty_buffer_has_room_for_a_message_larger_than_itself() -> None:
    buffer = a_buffer(max_bytes=10)
    assert buffer.has_room_for(11)
    filled(buffer, "a")
    assert not buffer.has_room_for(11)


# The end, and a flush


def test_hurried_messages_linger_no_more_and_later_ones_do() -> None:
    buffer = a_buffer()
    filled(buffer, "a", "b")
    buffer.hurry()
    assert bodies(buffer.take(0.0)) == "ab"
    filled(buffer, "c")
    assert buffer.take(0.0) == []


def test_a_hurry_ends_the_waits_of_those_set_aside() -> None:
    buffer = a_buffer()
    (message,) = filled(buffer, "a")
    buffer.take(LINGER)
    buffer.set_aside(message, until=1e6)
    buffer.hurry()
    assert buffer.take(LINGER) == [message]


def test_without_lingering_each_message_is_due_at_once() -> None:
    buffer = a_buffer()
    filled(buffer, "a")
    buffer.stop_lingering()
    filled(buffer, "b")
    assert bodies(buffer.take(0.0)) == "ab"
    filled(buffer, "c")
    assert bodies(buffer.take(0.0)) == "c"


def test_unsettled_are_all_that_wait_or_are_under_way_each_once() -> None:
    buffer = a_buffer()
    filled(buffer, "a", "b")
    batch = buffer.take(LINGER)
    buffer.set_aside(batch[1], until=1e6)  # its batch has not ended yet
    filled(buffer, "c")
    assert sorted(bodies(buffer.unsettled())) == ["a", "b", "c"]
    buffer.ended(batch)
    assert sorted(bodies(buffer.unsettled())) == ["b", "c"]


def test_giving_up_leaves_what_is_under_way() -> None:
    buffer = a_buffer()
    batch = filled(buffer, "a", "b")
    buffer.take(LINGER)
    buffer.set_aside(batch[1], until=1e6)
    filled(buffer, "c")
    assert sorted(bodies(buffer.give_up())) == ["b", "c"]
    assert buffer.size == 1
    assert not buffer.waiting
    assert (buffer.take(1e9), buffer.next_due()) == ([], math.inf)
