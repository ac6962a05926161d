"""How much is held at a time: by number and by bytes."""

import threading

import pytest

from classifier.cases import Case
from classifier.in_hand import InHand
from tests.support.classifier_parts import a_case
from tests.support.examples import a_post, received


def bytes_of(case: Case) -> int:
    return len(case.message.body.encode())


def test_there_is_room_below_the_number() -> None:
    in_hand = InHand(2, 1_000_000)
    one, other = a_case("one"), a_case("other")
    in_hand.add(one)
    assert in_hand.wait_for_room(0.0)
    in_hand.add(other)
    assert not in_hand.wait_for_room(0.0)
    in_hand.remove(one)
    assert in_hand.wait_for_room(0.0)
    assert in_hand.count == 1


@pytest.mark.parametrize("text", ["a" * 400, "ы" * 200, "🌊" * 100], ids=["ASCII", "Cyrillic", "emoji"])
def test_there_is_room_below_the_bytes_of_the_messages_as_queues_count_them(text: str) -> None:
    post = a_post(text=text)
    case = Case(received(post), post)
    for most_bytes, has_room in ((bytes_of(case), False), (bytes_of(case) + 1, True)):
        in_hand = InHand(10, most_bytes)
        in_hand.add(case)
        assert in_hand.wait_for_room(0.0) is has_room
        in_hand.remove(case)
        assert in_hand.wait_for_room(0.0)


def test_who_waits_for_room_goes_on_as_soon_as_there_is_some() -> None:
    in_hand = InHand(1, 1_000_000)
    case = a_case("one")
    in_hand.add(case)
    found: list[bool] = []
    waiting = threading.Thread(target=lambda: found.append(in_hand.wait_for_room(60.0)), daemon=True)
    waiting.start()
    in_hand.remove(case)
    waiting.join(10.0)
    assert found == [True]


def test_a_message_that_cannot_be_encoded_is_measured_all_the_same() -> None:
    post = a_post(text="a")
    case = Case(received("\ud800", "1"), post)
    in_hand = InHand(10, 3)
    in_hand.add(case)
    assert not in_hand.wait_for_room(0.0)
