"""What is kept says what it is, survives its way through JSON, and is refused where it cannot be understood."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.state_envelope import LIMIT, BrokenState, seal, unseal
from tests.support.state_contents import Cursor, CursorOfTomorrow, CursorWithMore, Silences, Story

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
KIND = "stream-cursor"

texts = st.text(st.characters(exclude_categories=["Cs"]))
stories = st.builds(Story, id=texts, posts=st.integers())
numbers = st.floats(allow_nan=False, allow_infinity=False)
cursors = st.builds(Cursor, position=st.integers(), name=texts, spent=numbers, stories=st.lists(stories, max_size=5))


def envelope(**changes: Any) -> bytes:
    whole: dict[str, Any] = {"kind": KIND, "v": 1, "saved_at": NOW.isoformat(), "content": {"position": 5}}
    return json.dumps(whole | changes).encode()


def test_an_envelope_says_what_it_holds_and_since_when() -> None:
    sealed = json.loads(seal(KIND, Silences(labels=["flood"]), NOW))
    assert sealed == {"kind": KIND, "v": 1, "saved_at": "2026-11-20T08:15:03Z", "content": {"labels": ["flood"]}}


@given(cursors)
def test_every_content_comes_back_as_it_was(cursor: Cursor) -> None:
    assert unseal(seal(KIND, cursor, NOW), KIND, Cursor) == cursor


@given(st.binary(max_size=200))
def test_bytes_that_nobody_sealed_are_broken_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(BrokenState):
        unseal(data, KIND, Cursor)


@given(cursors, st.data())
def test_every_part_of_an_envelope_is_broken(cursor: Cursor, data: st.DataObject) -> None:
    sealed = seal(KIND, cursor, NOW)
    with pytest.raises(BrokenState):
        unseal(sealed[: data.draw(st.integers(0, len(sealed) - 1))], KIND, Cursor)


def test_fields_that_a_newer_service_has_added_are_ignored() -> None:
    assert unseal(seal(KIND, CursorWithMore(position=5, backlog=3), NOW), KIND, Cursor) == Cursor(position=5)


def test_optional_fields_that_an_older_service_did_not_know_are_defaulted() -> None:
    assert unseal(seal(KIND, Cursor(position=5), NOW), KIND, CursorWithMore) == CursorWithMore(position=5, backlog=7)


def test_an_older_version_is_read() -> None:
    assert unseal(seal(KIND, Cursor(position=5), NOW), KIND, CursorOfTomorrow) == CursorOfTomorrow(position=5)


def test_a_newer_version_is_not_guessed_at() -> None:
    with pytest.raises(BrokenState) as caught:
        unseal(seal(KIND, CursorOfTomorrow(position=5), NOW), KIND, Cursor)
    assert str(caught.value) == "expected at most version 1, got 2"


def test_another_kind_is_told_by_its_name() -> None:
    with pytest.raises(BrokenState) as caught:
        unseal(seal("silences", Cursor(position=5), NOW), KIND, Cursor)
    assert str(caught.value) == "expected kind 'stream-cursor', got 'silences'"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 1_000_000,
        b'{"kind":"stream-cursor","v":1,"saved_at":"2026-11-20T08:15:03Z","content":' + b"[" * 1_000_000,
        envelope()[:-1],
        envelope() + envelope(),
        envelope(kind=None),
        envelope(v="1"),
        envelope(v=0),
        envelope(v=True),
        envelope(saved_at="yesterday"),
        envelope(content=None),
        envelope(content={}),
        envelope(content={"position": "5"}),
        envelope(content={"position": 5, "stories": [{"posts": 1}]}),
        b" " * (LIMIT + 1),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_what_is_no_such_content_is_one_short_line(data: bytes) -> None:
    with pytest.raises(BrokenState) as caught:
        unseal(data, KIND, Cursor)
    assert "\n" not in str(caught.value)
    assert 10 < len(str(caught.value)) < 400


def test_a_foreign_kind_of_any_length_is_one_short_line() -> None:
    with pytest.raises(BrokenState) as caught:
        unseal(envelope(kind="a\n" * 10_000), KIND, Cursor)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "content",
    [
        Cursor(position=5, spent=float("nan")),
        Cursor(position=5, spent=float("-inf")),
        Cursor(position=5, name="\ud800"),
        Cursor(position=5, name="x" * LIMIT),
        Silences(labels=[1]),  # type: ignore[list-item]
    ],
    ids=["NaN", "infinite", "half a surrogate pair", "too large", "wrong type"],
)
def test_what_could_not_be_read_again_is_refused_before_it_replaces_what_can(content: Any) -> None:
    with pytest.raises(BrokenState):
        seal(KIND, content, NOW)


def test_content_that_refers_to_itself_is_refused() -> None:
    class Loop(Cursor, frozen=True, kw_only=True):
        parts: list[Any] = msgspec.field(default_factory=list)

    loop = Loop(position=5)
    loop.parts.append(loop.parts)
    with pytest.raises(BrokenState, match=r"^content that JSON cannot hold: "):
        seal(KIND, loop, NOW)
