"""Order, pace and stamps of played posts."""

import json
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from simulator.clock import Clock, unix_seconds, x_timestamp
from simulator.pacing import FixedRate, Pace, Recorded, Schedule, Unpaced
from simulator.payload import Post, with_created_at
from simulator.playlist import playlist
from simulator.posts_file import PayloadError, load_lines, payload_of_line
from simulator.settings import Mistake
from simulator.snowflake import SnowflakeIds


def post(post_id: str = "1", **data: Any) -> Post:
    return Post({"data": {"id": post_id, "text": "t", **data}})


def posts_at(*timestamps: str) -> list[Post]:
    return [post(created_at=timestamp) for timestamp in timestamps]


def due_times(pace: Pace, posts: list[Post], start: float = 100.0) -> list[float]:
    schedule = Schedule(pace, start)
    return [schedule.due(one) for one in posts]


def lines_of(*payloads: dict[str, Any]) -> list[bytes]:
    return [json.dumps(payload).encode() for payload in payloads]


def played(lines: list[bytes], *, repeat_every: int | None = None, loop: bool = False) -> Iterator[Post]:
    return playlist(lines, ids=SnowflakeIds(Clock()), repeat_every=repeat_every, loop=loop)


def test_unpaced_posts_are_all_due_at_once() -> None:
    assert due_times(Unpaced(), [post(), post()]) == [100.0, 100.0]


def test_a_fixed_rate_spaces_posts_evenly_from_the_first() -> None:
    assert due_times(FixedRate(4), [post()] * 3) == [100.0, 100.25, 100.5]


def test_the_recorded_pace_keeps_the_distances_divided_by_the_speed() -> None:
    posts = posts_at("2026-11-01T10:00:00.000Z", "2026-11-01T10:00:20.000Z", "2026-11-01T10:00:25.000Z")
    assert due_times(Recorded(10), posts) == [100.0, 102.0, 102.5]


def test_a_recorded_post_older_than_the_one_before_follows_at_once() -> None:
    posts = posts_at("2026-11-01T10:00:20.000Z", "2026-11-01T10:00:00.000Z", "2026-11-01T10:00:01.000Z")
    assert due_times(Recorded(1), posts) == [100.0, 100.0, 101.0]


def test_a_new_pass_of_the_recorded_pace_starts_a_second_later() -> None:
    first = posts_at("2026-11-01T10:00:00.000Z")[0]
    assert due_times(Recorded(1), [first, Post(first.payload, opens_new_pass=True)]) == [100.0, 101.0]


def test_lateness_is_caught_up_but_a_pause_is_not() -> None:
    schedule = Schedule(FixedRate(1), 100.0)
    schedule.due(post())
    assert schedule.due(post()) == 101.0
    schedule.resume(500.0)
    assert schedule.due(post()) == 501.0


def test_posts_are_played_in_order_and_once() -> None:
    lines = lines_of(post("1").payload, post("2").payload)
    assert [one.id for one in played(lines)] == ["1", "2"]


def test_every_nth_post_comes_a_second_time_marked_as_repeat() -> None:
    lines = lines_of(*(post(str(number)).payload for number in range(1, 6)))
    order = [(one.id, one.repeat) for one in played(lines, repeat_every=2)]
    assert order == [
        ("1", False),
        ("2", False),
        ("2", True),
        ("3", False),
        ("4", False),
        ("4", True),
        ("5", False),
    ]


def test_a_loop_keeps_the_ids_of_the_first_pass_and_gives_fresh_ones_later() -> None:
    lines = lines_of(post("1").payload, post("2").payload)
    ids = [one.id for one in islice(played(lines, loop=True), 6)]
    assert ids[:2] == ["1", "2"]
    assert len(set(ids)) == 6


def test_in_a_loop_references_point_at_the_fresh_ids_of_their_pass() -> None:
    original = post("1", conversation_id="1", edit_history_tweet_ids=["1"]).payload
    retweet = {
        "data": {
            "id": "2",
            "text": "RT",
            "author_id": "1",
            "referenced_tweets": [{"type": "retweeted", "id": "1"}],
        },
        "includes": {"tweets": [{"id": "1", "text": "t"}], "users": [{"id": "1"}]},
    }
    second_pass = list(islice(played(lines_of(original, retweet), loop=True), 4))[2:]
    new_original, new_retweet = (one.payload for one in second_pass)
    fresh = new_original["data"]["id"]
    assert fresh != "1"
    assert new_original["data"]["conversation_id"] == fresh
    assert new_original["data"]["edit_history_tweet_ids"] == [fresh]
    assert new_retweet["data"]["referenced_tweets"] == [{"type": "retweeted", "id": fresh}]
    assert new_retweet["includes"]["tweets"][0]["id"] == fresh
    assert new_retweet["data"]["author_id"] == "1"
    assert new_retweet["includes"]["users"] == [{"id": "1"}]


def test_a_loop_over_no_posts_ends() -> None:
    assert list(played([], loop=True)) == []


def test_fresh_ids_grow_and_carry_the_time_as_x_does() -> None:
    ids = SnowflakeIds(Clock(now=lambda: 1_288_834_974.657 + 5))
    numbers = [int(ids.fresh()) for _ in range(3)]
    assert all(one < next_one for one, next_one in pairwise(numbers))
    assert numbers[0] >> 22 == 5000


def test_a_timestamp_has_milliseconds_and_z() -> None:
    assert x_timestamp(1_793_527_200.0459) == "2026-11-01T10:00:00.045Z"
    assert unix_seconds("2026-11-01T10:00:00.045Z") == pytest.approx(1_793_527_200.045)


def test_restamping_changes_created_at_and_leaves_the_given_payload() -> None:
    payload = post(created_at="2020-01-01T00:00:00.000Z").payload
    assert with_created_at(payload, "2026-11-01T10:00:00.000Z")["data"]["created_at"] == "2026-11-01T10:00:00.000Z"
    assert payload["data"]["created_at"] == "2020-01-01T00:00:00.000Z"


def test_a_line_may_wrap_its_payload_beside_what_is_expected_of_it() -> None:
    line = json.dumps({"post": post("7").payload, "expected": ["flood"]}).encode()
    assert payload_of_line(line) == post("7").payload


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"data": 1}',
        b'{"data": {"id": 7, "text": "t"}}',
        b'{"data": {"id": "7"}}',
        b'{"data": {"id": "7", "text": "t"}, "includes": []}',
        b'{"data": {"id": "7", "text": "t", "referenced_tweets": [{}]}}',
        b'\xff{"data": {}}',
    ],
)
def test_a_line_that_cannot_be_played_is_refused(line: bytes) -> None:
    with pytest.raises(PayloadError):
        payload_of_line(line)


def test_files_are_read_in_the_order_given_without_their_blank_lines(tmp_path: Path) -> None:
    first, second = tmp_path / "b.jsonl", tmp_path / "a.jsonl"
    first.write_text(json.dumps(post("1").payload) + "\n\n")
    second.write_text(json.dumps(post("2").payload))
    lines = load_lines([first, second], need_created_at=False)
    assert [payload_of_line(line)["data"]["id"] for line in lines] == ["1", "2"]


def test_the_recorded_pace_needs_created_at_in_every_post(tmp_path: Path) -> None:
    file = tmp_path / "posts.jsonl"
    file.write_text(json.dumps(post("1").payload))
    with pytest.raises(Mistake, match=r"line 1: --pace recorded: expected ISO 8601 in data.created_at"):
        load_lines([file], need_created_at=True)
