"""Faults: what can be said of one, the mistakes in it, and whose turn it is."""

import json
from typing import Any

import msgspec
import pytest

from simulator.fault_queue import FaultQueue
from simulator.faults import KINDS, MAX_TIMES, Fault, decode_faults, read_faults
from simulator.settings import Mistake


def queue_of(*faults: dict[str, Any]) -> FaultQueue:
    queue = FaultQueue(add_ghost=lambda: None)
    queue.add(read_faults(list(faults)))
    return queue


def what_of(fault: Fault | None) -> str | None:
    return fault.what if fault else None


@pytest.mark.parametrize("what", KINDS)
def test_every_kind_needs_nothing_but_its_name(what: str) -> None:
    (fault,) = decode_faults(json.dumps({"what": what}).encode())
    assert fault.what == what
    assert read_faults([fault]) == [fault]


def test_a_document_may_hold_several() -> None:
    faults = decode_faults(b'[{"what": "cut", "after_posts": 3}, {"what": "status", "status": 500, "attempts": 2}]')
    assert faults == [Fault(what="cut", after_posts=3), Fault(what="status", status=500, attempts=2)]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"{", "faults: expected JSON, found: "),
        (b"\xff", "faults: expected JSON, found: "),
        (b'["cut"]', "fault 1: expected an object, found 'cut'"),
        (b"{}", "fault 1: what: expected one of rate-limit, "),
        (b'{"what": ["cut"]}', "fault 1: what: expected one of rate-limit, "),
        (b'[{"what": "cut"}, {"what": "cutt"}]', "fault 2: what: expected one of rate-limit, "),
        (b'{"what": "cut", "status": 500}', "fault 1: 'status': expected only after_posts, what with cut"),
        (b'{"what": "cut", "attempts": 1}', "fault 1: 'attempts': expected only after_posts, what with cut"),
        (b'{"what": "html-page", "after_posts": 1}', "fault 1: 'after_posts': expected only attempts, what with html-"),
        (b'{"what": "reset", "attempts": 0}', "fault 1: attempts: expected a whole number from 1 to 100000, found 0"),
        (b'{"what": "reset", "after_posts": -1}', "fault 1: after_posts: expected a whole number from 0 up, found -1"),
        (
            b'{"what": "reset", "after_posts": 1.5}',
            "fault 1: after_posts: expected a whole number from 0 up, found 1.5",
        ),
        (b'{"what": "reset", "attempts": 1, "after_posts": 1}', "fault 1: attempts: expected either attempts or after"),
        (b'{"what": "stall", "seconds": "10"}', "fault 1: seconds: expected a number from 0 to 86400, found '10'"),
        (b'{"what": "status", "status": 200}', "fault 1: status: expected an HTTP status from 300 to 599, found 200"),
        (b'{"what": "overlong", "bytes": 1}', "fault 1: bytes: expected a whole number from 100 to 67108864, found 1"),
        (b'{"what": "missing-fields", "fields": []}', "fault 1: fields: expected a list of names of data's fields, f"),
        (b'{"what": "missing-fields", "fields": "id"}', "fault 1: fields: expected a list of names of data's fields"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(document: bytes, message: str) -> None:
    with pytest.raises(Mistake) as mistake:
        decode_faults(document)
    assert str(mistake.value).startswith(message)
    assert "\n" not in str(mistake.value)


def test_faults_that_wait_are_bounded() -> None:
    queue = queue_of({"what": "cut"})
    with pytest.raises(Mistake, match="at most 100000 that wait"):
        queue.add([Fault(what="cut")] * MAX_TIMES)
    assert len(queue.waiting) == 1


def test_attempts_are_counted_and_then_the_next_fault_has_its_turn() -> None:
    queue = queue_of({"what": "status", "attempts": 2}, {"what": "rate-limit"})
    assert [what_of(queue.on_attempt()) for _ in range(4)] == ["status", "status", "rate-limit", None]


def test_posts_are_counted_on_one_stream() -> None:
    queue = queue_of({"what": "cut", "after_posts": 5}, {"what": "reset"})
    assert queue.on_stream(1, 3) == (3, None)
    assert queue.on_stream(2, 100) == (100, None)
    assert queue.on_stream(1, 4) == (2, Fault(what="cut", after_posts=5))
    assert queue.on_stream(2, 4) == (0, Fault(what="reset"))
    assert queue.on_stream(2, 4) == (4, None)


def test_the_count_starts_anew_after_the_end_of_a_stream() -> None:
    queue = queue_of({"what": "cut", "after_posts": 5})
    assert queue.on_stream(1, 3) == (3, None)
    queue.ended(1)
    assert queue.on_stream(2, 4) == (4, None)
    assert queue.on_stream(2, 4) == (1, Fault(what="cut", after_posts=5))


def test_a_fault_for_attempts_does_not_act_on_streams_nor_the_other_way_round() -> None:
    queue = queue_of({"what": "reset", "attempts": 1}, {"what": "reset", "after_posts": 0})
    assert queue.on_stream(1, 2) == (2, None)
    assert queue.on_attempt() == Fault(what="reset", attempts=1)
    assert queue.on_attempt() is None
    assert queue.on_stream(1, 2) == (0, Fault(what="reset"))


def test_forgotten_faults_do_not_act() -> None:
    queue = queue_of({"what": "status", "attempts": 2}, {"what": "cut"})
    queue.on_attempt()
    assert queue.clear() == 2
    assert queue.on_attempt() is None
    assert queue.waiting == []


def test_a_ghost_appears_when_its_turn_has_come() -> None:
    appeared: list[str] = []
    queue = FaultQueue(add_ghost=lambda: appeared.append("ghost"))
    queue.add(read_faults([{"what": "reset", "attempts": 1}, {"what": "ghost", "times": 2}, {"what": "cut"}]))
    assert appeared == []
    queue.on_attempt()
    assert appeared == ["ghost"] * 2
    assert queue.waiting == [Fault(what="cut")]


def test_a_fault_is_told_without_what_is_only_its_default() -> None:
    assert msgspec.to_builtins(Fault(what="cut", after_posts=3)) == {"what": "cut", "after_posts": 3}
