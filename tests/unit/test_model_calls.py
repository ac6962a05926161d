"""A request's work: cancelled once, seen by its own thread only. And how much room there is."""

import threading

import pytest

from zero_shot_model.calls import Call, CurrentCall
from zero_shot_model.errors import CallerGone, QueueFull
from zero_shot_model.room import Room


def test_cancelling_runs_what_was_set_while_it_is_set() -> None:
    call = Call()
    dropped: list[str] = []
    with call.cancelling(lambda: dropped.append("first")):
        pass
    with call.cancelling(lambda: dropped.append("second")):
        call.cancel()
        call.cancel()
    assert dropped == ["second"]


def test_what_begins_after_the_caller_has_gone_is_refused() -> None:
    call = Call()
    call.check()
    call.cancel()
    with pytest.raises(CallerGone):
        call.check()
    with pytest.raises(CallerGone), call.cancelling(lambda: None):
        raise AssertionError("it was let in")


def test_each_thread_sees_the_call_it_works_for() -> None:
    current, ours = CurrentCall(), Call()
    seen: list[Call] = []
    with current.working_for(ours):
        other = threading.Thread(target=lambda: seen.append(current.get()))
        other.start()
        other.join()
        assert current.get() is ours
    assert ours not in [*seen, current.get()]


def test_room_is_bounded_but_what_comes_alone_fits() -> None:
    room = Room(10, "texts")
    with room.taken(25):
        with pytest.raises(QueueFull, match="25 texts are under way; try again later"):
            room.take(1)
        with pytest.raises(QueueFull):
            room.check()
    room.take(4)
    room.take(6)
    with pytest.raises(QueueFull):
        room.take(1)
    room.give_back(6)
    room.take(1)
