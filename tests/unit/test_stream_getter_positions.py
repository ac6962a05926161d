"""What is settled in any order counts as far as nothing before it is open."""

import random

from hypothesis import given
from hypothesis import strategies as st

from stream_getter.positions import Positions


def test_it_begins_where_it_is_told_to() -> None:
    assert Positions[int]().settled_up_to is None
    assert Positions(7).settled_up_to == 7


@given(st.lists(st.booleans(), max_size=60), st.integers())
def test_the_last_one_with_nothing_open_before_it_counts(has_post: list[bool], seed: int) -> None:
    positions = Positions[int](-1)
    settle = {}
    for position, post in enumerate(has_post):
        if post:
            settle[position] = positions.arrived(position)
        else:
            positions.passed(position)
    order = list(settle)
    random.Random(seed).shuffle(order)
    for number, position in enumerate(order):
        still_open = order[number:]
        assert positions.settled_up_to == min(still_open) - 1
        assert positions.unsettled == len(still_open)
        settle[position]()
        settle[position]()
    assert positions.settled_up_to == len(has_post) - 1
    assert positions.unsettled == 0


@given(st.integers(0, 2000), st.booleans())
def test_what_is_settled_behind_an_open_one_costs_no_memory(count: int, has_posts: bool) -> None:
    positions = Positions[int](-1)
    settle_first = positions.arrived(0)
    for position in range(1, count + 1):
        if has_posts:
            positions.arrived(position)()
        else:
            positions.passed(position)
    assert len(positions._open) <= 4
    assert positions.settled_up_to == -1
    settle_first()
    assert positions.settled_up_to == count
