"""The source file: shapes of lines, pace, ids of a run, what is passed over, mistakes."""

import gzip
import io
import itertools
import json
import os
import random
import sys
import threading
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from pipeline.contracts import Post, encode
from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from stream_getter.file import progress, replay
from stream_getter.file.pace import Pace
from stream_getter.file.progress import Progress
from stream_getter.file.replay import LINE_LIMIT
from stream_getter.file.source import build
from stream_getter.metrics import Metrics
from stream_getter.source import Source, Surroundings
from tests.support.examples import a_post
from tests.support.polling import wait_until
from tests.support.recorded_stop import RecordedStop
from tests.support.recording_log import record_log

NOW = datetime(2026, 11, 25, 8, 0, 0, tzinfo=UTC)
SAMPLE = Path(__file__).resolve().parents[2] / "samples/posts_dev.jsonl"
SOON = 20.0


class Replaying:
    """A source under test with all that can be seen of it."""

    def __init__(self, *paths: Path | str, **variables: str) -> None:
        self.registry = CollectorRegistry()
        self.stopping = threading.Event()
        numbers = itertools.count()
        self.source: Source = build(
            Surroundings(
                environ={"FILE_PATH": " ".join(map(str, paths)), **variables},
                metrics=Metrics(self.registry),
                stopping=self.stopping,
                state=cast(Any, None),
                notices=cast(Any, None),
                occasionally=OccasionalLog(period_seconds=0.0),
                now=lambda: NOW,
                new_trace_id=lambda: f"{next(numbers):032x}",
                rng=random.Random(1),
            )
        )

    def posts(self) -> list[Post]:
        posts = []
        for post, settled in self.source.arrivals():
            posts.append(post)
            assert settled
            settled()
        self.source.close(1.0)
        return posts

    def refused(self, kind: str) -> float:
        return self.registry.get_sample_value("stream_getter_lines_refused_total", {"reason": kind}) or 0.0


def payload(id_: int, **fields: Any) -> bytes:
    return json.dumps({"data": {"id": str(id_), "text": "fire", **fields}}).encode()


def contract(id_: str, **changes: Any) -> bytes:
    return encode(a_post(id_, **changes)).encode()


def file_of(tmp_path: Path, *lines: bytes, name: str = "posts.jsonl", end: bytes = b"\n") -> Path:
    path = tmp_path / name
    path.write_bytes(b"\n".join(lines) + end)
    return path


def ids(replaying: Replaying) -> list[str]:
    return [post.id for post in replaying.posts()]


@pytest.mark.parametrize("end", [b"\n", b"", b"\r\n", b"\n\n\n"])
def test_each_line_is_read_by_its_own_shape(tmp_path: Path, end: bytes) -> None:
    lines = [
        b"\xef\xbb\xbf" + contract("bluesky:1"),
        payload(2),
        b"",
        b'{"expected": [], "post": ' + payload(3) + b"}",
        b'{"post": ' + contract("x:4") + b"}",
    ]
    path = file_of(tmp_path, *lines, end=end)
    replaying = Replaying(path, FILE_KEEP_IDS="yes")
    posts = replaying.posts()
    assert [post.id for post in posts] == ["bluesky:1", "x:2", "x:3", "x:4"]
    assert {post.source for post in posts} == {"file"}


def test_the_samples_are_read_whole() -> None:
    posts = Replaying(SAMPLE, FILE_RUN_ID="dev").posts()
    lines = SAMPLE.read_bytes().splitlines()
    assert [post.id for post in posts] == [f"file:dev:x:{json.loads(line)['post']['data']['id']}" for line in lines]
    assert all(post.author.username and post.text for post in posts)


def test_each_start_is_a_run_of_its_own_and_its_posts_still_point_at_each_other(tmp_path: Path) -> None:
    path = file_of(tmp_path, contract("x:1"), contract("x:2", repost_of="x:1", edit_of="x:1"))
    first, second = Replaying(path), Replaying(path)
    original, repost = first.posts()
    assert original.id.startswith("file:")
    assert original.id.endswith(":x:1")
    assert repost.repost_of == repost.edit_of == original.id
    assert {post.received_at for post in second.posts()} == {NOW}


def test_times_are_kept_unless_they_are_to_be_new(tmp_path: Path) -> None:
    path = file_of(tmp_path, contract("x:1"))
    assert [post.created_at for post in Replaying(path).posts()] == [a_post().created_at]
    assert [post.created_at for post in Replaying(path, FILE_RESTAMP="yes").posts()] == [NOW]


def test_a_bad_line_is_told_with_its_place_and_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, replay)
    secret = b'{"text": "nobody may see this", "id": 5}'
    lines = [
        payload(1),
        b"{",
        b"x" * (LINE_LIMIT + 1),
        b"y" * (2 * LINE_LIMIT),
        payload(2),
        secret,
        b"\xff",
        payload(3),
    ]
    path = file_of(tmp_path, *lines)
    replaying = Replaying(path, FILE_KEEP_IDS="yes")
    assert ids(replaying) == ["x:1", "x:2", "x:3"]
    places = [values["line"] for level, _, values in logged.lines if level == "warning"]
    assert places == [f"{path}:{number}" for number in (2, 3, 4, 6, 7)]
    assert replaying.refused("too long") == 2
    assert replaying.refused("no post") == 2
    assert replaying.refused("not of the contract") == 1
    assert "nobody may see" not in str(logged.lines)


def test_several_files_are_read_one_after_the_other_compressed_ones_too(tmp_path: Path) -> None:
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(payload(2) + b"\n") + gzip.compress(payload(3)))
    replaying = Replaying(file_of(tmp_path, payload(1)), packed, FILE_KEEP_IDS="yes")
    assert ids(replaying) == ["x:1", "x:2", "x:3"]


@pytest.mark.parametrize("damage", ["cut", "none at all"])
def test_a_broken_archive_is_told_and_the_next_file_is_read(tmp_path: Path, damage: str) -> None:
    packed = tmp_path / "broken.gz"
    whole = gzip.compress(b"\n".join(payload(number, noise=os.urandom(50).hex()) for number in range(9)))
    packed.write_bytes(whole[:-40] if damage == "cut" else b"no archive\n")
    replaying = Replaying(packed, file_of(tmp_path, payload(10)), FILE_KEEP_IDS="yes")
    assert ids(replaying)[-1] == "x:10"
    assert replaying.refused("broken file") == 1


def test_a_pipe_is_read_to_its_end_however_slowly_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)
    replaying = Replaying(path, FILE_KEEP_IDS="yes")
    got: list[str] = []

    def read() -> None:
        for post, settled in replaying.source.arrivals():
            got.append(post.id)
            cast(Callable[[], object], settled)()

    def came(number: int) -> bool:
        return len(got) == number

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    for number in (1, 2):
        line = payload(number) + b"\n"
        os.write(writer, line[:10])
        os.write(writer, line[10:])
        wait_until(partial(came, number), "the post", SOON)
    # nobody writes, nobody closes: it can be stopped all the same
    replaying.stopping.set()
    thread.join(SOON)
    assert not thread.is_alive()
    os.close(writer)


def test_what_a_writer_waits_to_put_into_a_pipe_is_not_lost_by_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(payload(1) + b"\n" + payload(2),), daemon=True)
    thread.start()
    opened: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda *arguments: opened.append(arguments))
        replaying = Replaying(path, FILE_KEEP_IDS="yes")
    assert opened == []
    assert ids(replaying) == ["x:1", "x:2"]
    thread.join(SOON)


def test_a_closed_standard_input_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserMistake, match=r"FILE_PATH: .* got '-' \(standard input is closed\)$"):
        Replaying("-")


@pytest.mark.parametrize("settled", [True, False])
def test_the_end_is_told_only_where_it_was_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: bool
) -> None:
    logged = record_log(monkeypatch, replay)
    replaying = Replaying(file_of(tmp_path, payload(1)))
    if settled:
        replaying.posts()
    else:
        arrivals = cast(Generator[object], replaying.source.arrivals())
        next(arrivals)
        with pytest.raises(ZeroDivisionError):
            arrivals.throw(ZeroDivisionError())
    [told] = [values["to_the_end"] for _, event, values in logged.lines if event == "replayed"]
    assert told is settled


def test_progress_is_shown_post_by_post(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moves: list[tuple[int, int]] = []
    monkeypatch.setattr(Progress, "moved", lambda _self, done, posts: moves.append((done, posts)))
    path = file_of(tmp_path, payload(1), payload(2))
    arrivals = Replaying(path).source.arrivals()
    next(arrivals)
    next(arrivals)
    assert moves == [(path.stat().st_size, 1), (path.stat().st_size, 2)]


def test_the_end_waits_until_everything_is_accepted(tmp_path: Path) -> None:
    replaying = Replaying(file_of(tmp_path, payload(1), payload(2)))
    arrivals = replaying.source.arrivals()
    first, second = next(arrivals), next(arrivals)
    ended = threading.Event()

    def finish() -> None:
        assert list(arrivals) == []
        ended.set()

    thread = threading.Thread(target=finish, daemon=True)
    thread.start()
    cast(Callable[[], object], second.settled)()
    assert not ended.wait(0.2)
    cast(Callable[[], object], first.settled)()
    assert ended.wait(SOON)
    thread.join()


def test_a_stop_does_not_wait_for_the_queue(tmp_path: Path) -> None:
    replaying = Replaying(file_of(tmp_path, payload(1)))
    arrivals = replaying.source.arrivals()
    next(arrivals)
    replaying.stopping.set()
    assert list(arrivals) == []


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def waits_of(pace: Callable[[RecordedStop, Clock], Pace], *seconds: float, took: float = 0.0) -> list[float]:
    """How long each post waits whose times lie so far behind the first; each takes ``took`` beside its wait."""
    stopping, clock = RecordedStop(ends_after=1000), Clock()
    at_work = pace(stopping, clock)
    waits = []
    for second in seconds:
        before = len(stopping.waits)
        assert at_work.wait(NOW + timedelta(seconds=second))
        waits.append(round(sum(stopping.waits[before:]), 6))
        clock.now += waits[-1] + took
    return waits


def test_a_rate_keeps_posts_apart_whatever_their_times() -> None:
    assert waits_of(lambda stop, clock: Pace(stop, clock, per_second=20), 0, 9, 5, 5) == [0, 0.05, 0.05, 0.05]


def test_a_rate_makes_up_for_what_posts_take() -> None:
    assert waits_of(lambda stop, clock: Pace(stop, clock, per_second=20), 0, 0, 0, took=0.02) == [0, 0.03, 0.03]


def test_recorded_distances_are_kept_and_may_be_shortened() -> None:
    assert waits_of(lambda stop, clock: Pace(stop, clock, speed=1), 0, 3, 2, 4) == [0, 3, 0, 1]
    assert waits_of(lambda stop, clock: Pace(stop, clock, speed=10), 0, 3, 2, 4) == [0, 0.3, 0, 0.1]


def test_a_replay_that_was_held_up_does_not_run_after_all_it_missed() -> None:
    waits = waits_of(lambda stop, clock: Pace(stop, clock, per_second=1), *[0] * 5, took=100.0)
    assert waits == [0, 0, 0, 0, 0]
    stopping, clock = RecordedStop(ends_after=1000), Clock()
    pace = Pace(stopping, clock, per_second=1)
    pace.wait(NOW)
    clock.now += 100
    for _ in range(4):
        pace.wait(NOW)
    # one second's worth is made up for
    assert stopping.waits == [1.0, 2.0]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"FILE_PATH": "/nowhere/posts.jsonl"},
            "FILE_PATH: expected readable files, or - for standard input, got '/no",
        ),
        ({"FILE_PATH": "/"}, "(a directory)"),
        ({"FILE_PATH": "- -"}, "FILE_PATH: expected names of files, with - once at most"),
        ({"FILE_PATH": ""}, "FILE_PATH: expected a text"),
        ({"FILE_PACE": "fast"}, "FILE_PACE: expected full, recorded, or a rate such as 20/s, got 'fast'"),
        ({"FILE_PACE": "0/s"}, "FILE_PACE: expected a rate above 0"),
        ({"FILE_PACE": "recorded", "FILE_SPEED": "0"}, "FILE_SPEED: expected a factor above 0"),
        ({"FILE_SPEED": "2"}, "FILE_SPEED: expected none"),
        ({"FILE_RESTAMP": "true"}, "FILE_RESTAMP: expected yes or no"),
        ({"FILE_RUN_ID": "a b"}, "FILE_RUN_ID: expected up to 64 letters"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(variables: dict[str, str], said: str) -> None:
    with pytest.raises(UserMistake) as caught:
        Replaying(**({"FILE_PATH": str(SAMPLE)} | variables))
    assert str(caught.value).startswith("environment: FILE_")
    assert said in str(caught.value)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = record_log(monkeypatch, progress)
    clock = Clock()
    terminal = Terminal()
    bar = Progress(terminal, 2000, clock)
    clock.now += 60
    bar.moved(2000, 7)
    bar.ended()
    assert "100%" in terminal.getvalue()
    assert logged.lines == []
    elsewhere = io.StringIO()
    lines = Progress(elsewhere, 2000, clock)
    lines.moved(500, 3)
    clock.now += 11
    lines.moved(1000, 7)
    lines.moved(1500, 9)
    lines.ended()
    assert elsewhere.getvalue() == ""
    assert logged.lines == [("info", "replaying", {"posts": 7, "bytes": 1000, "of": 2000})]
