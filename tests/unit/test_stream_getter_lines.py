"""Lines of a stream that is cut anywhere."""

import tracemalloc
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream_getter.x.lines import LineSplitter

LIMIT = 8


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Bytes full of line ends, and the same bytes in pieces."""
    data = bytes(draw(st.lists(st.sampled_from(b"ab\r\n"), max_size=60)))
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8))
    return data, [data[start:end] for start, end in pairwise([0, *sorted(cuts), len(data)])]


def lines_of(splitter: LineSplitter, pieces: list[bytes]) -> list[bytes]:
    return [line for piece in pieces for line in splitter.feed(piece)]


@given(cut_streams())
def test_wherever_the_stream_is_cut_its_lines_are_whole(stream: tuple[bytes, list[bytes]]) -> None:
    data, pieces = stream
    whole = data.split(b"\n")[:-1]
    assert lines_of(LineSplitter(1000), pieces) == [line.removesuffix(b"\r") for line in whole]


@given(cut_streams())
def test_wherever_the_stream_is_cut_the_same_lines_are_too_long(stream: tuple[bytes, list[bytes]]) -> None:
    data, pieces = stream
    *whole, unfinished = data.split(b"\n")
    splitter = LineSplitter(LIMIT)
    assert lines_of(splitter, pieces) == [line.removesuffix(b"\r") for line in whole if len(line) <= LIMIT]
    assert splitter.refused == sum(len(line) > LIMIT for line in [*whole, unfinished])


def test_keep_alives_are_empty_lines() -> None:
    assert list(LineSplitter(LIMIT).feed(b"\r\n\r\nab\r\n")) == [b"", b"", b"ab"]


def test_an_unfinished_line_waits_for_its_end() -> None:
    splitter = LineSplitter(LIMIT)
    assert list(splitter.feed(b"ab")) == []
    assert list(splitter.feed(b"cd\n")) == [b"abcd"]


def test_the_line_after_one_that_is_too_long_is_kept() -> None:
    splitter = LineSplitter(LIMIT)
    pieces = [b"a" * 20, b"a" * 20, b"a\nok\n"]
    assert lines_of(splitter, pieces) == [b"ok"]
    assert splitter.refused == 1


def test_a_line_that_is_too_long_is_not_held() -> None:
    splitter = LineSplitter(100_000)
    piece = b"a" * 65_536
    tracemalloc.start()
    try:
        for _ in range(200):
            assert list(splitter.feed(piece)) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert splitter.refused == 1
    assert peak < 1_000_000
