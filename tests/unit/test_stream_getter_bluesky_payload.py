"""Jetstream's messages to Posts, whatever an author's server holds."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts import Author, Post, decode_post, encode
from stream_getter.bluesky.payload import (
    LINKS_LIMIT,
    TEXT_LIMIT,
    Event,
    NoMessage,
    ServerError,
    parse_event,
)
from stream_getter.matching.candidate import Candidate
from tests.support.jetstream_messages import (
    ANA,
    BEN,
    Message,
    commit,
    external,
    link_facet,
    post,
    quote,
    reply_to,
    rkey,
    time_us,
)

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
AT = time_us(NOW)


def event(message: Message | bytes) -> Event:
    frame = message if isinstance(message, bytes) else json.dumps(message).encode()
    return parse_event(frame, NOW + timedelta(seconds=1), "trace-1")


def candidate(message: Message) -> Candidate:
    found = event(message).candidate
    assert found is not None
    return found


def parsed(message: Message) -> Post:
    return candidate(message).post


def test_a_whole_post() -> None:
    message = post(7, AT, "Smoke over the hills", langs=["pt-BR", "en"], createdAt="2026-11-20T08:15:01.500Z")
    assert parsed(message) == Post(
        v=1,
        id=f"bluesky:at://{ANA}/app.bsky.feed.post/{rkey(7)}",
        source="bluesky",
        text="Smoke over the hills",
        author=Author(id=ANA),
        url=f"https://bsky.app/profile/{ANA}/post/{rkey(7)}",
        created_at=NOW - timedelta(seconds=1.5),
        received_at=NOW + timedelta(seconds=1),
        lang="pt-BR",
        trace_id="trace-1",
    )


def test_links_come_from_the_text_and_the_card() -> None:
    message = post(
        1,
        AT,
        facets=[
            link_facet("https://a.example/1"),
            link_facet("https://a.example/1"),
            link_facet("javascript:alert(1)"),
        ],
        embed=external("https://b.example/2"),
    )
    assert parsed(message).links == ["https://a.example/1", "https://b.example/2"]
    with_media = {"$type": "app.bsky.embed.recordWithMedia", "record": quote(), "media": external("https://c.example")}
    found = candidate(post(1, AT, embed=with_media))
    assert found.post.links == ["https://c.example"]
    assert found.quote


def test_links_are_bounded() -> None:
    facets = [link_facet(f"https://a.example/{number}") for number in range(LINKS_LIMIT + 9)]
    assert len(parsed(post(1, AT, facets=facets)).links) == LINKS_LIMIT
    assert parsed(post(1, AT, facets=[link_facet("https://a.example/" + "x" * 3000)])).links == []


def test_replies_and_quotes_are_known() -> None:
    plain, reply, quoting = post(1, AT), post(1, AT, reply=reply_to()), post(1, AT, embed=quote())
    assert [(one.reply, one.quote) for one in map(candidate, (plain, reply, quoting))] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert parsed(quoting).quoted_text == ""


def test_an_embedded_list_is_no_quote() -> None:
    assert not candidate(post(1, AT, embed=quote(f"at://{BEN}/app.bsky.graph.list/3l3qo2vuowo2b"))).quote


@pytest.mark.parametrize(
    "claimed",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1970-01-01T00:00:00Z",
        "2031-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "2026-11-20T08:20:04Z",
        "yesterday",
        "",
        17,
        None,
        {"$type": "datetime"},
    ],
)
def test_an_absurd_creation_time_gives_way_to_the_servers(claimed: object) -> None:
    assert parsed(post(1, AT, createdAt=claimed)).created_at == NOW


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ("2026-11-20T08:15:02Z", NOW - timedelta(seconds=1)),
        ("2026-11-20T09:15:02+01:00", NOW - timedelta(seconds=1)),
        ("2026-11-20T08:15:02", NOW - timedelta(seconds=1)),
        ("2026-11-20T08:20:03Z", NOW + timedelta(minutes=5)),
        ("2012-01-01T00:00:00.123456789Z", datetime(2012, 1, 1, 0, 0, 0, 123457, tzinfo=UTC)),
    ],
)
def test_a_plausible_creation_time_is_taken(claimed: str, expected: datetime) -> None:
    assert parsed(post(1, AT, createdAt=claimed)).created_at == expected


def test_a_time_at_the_end_of_all_years_is_no_crash() -> None:
    last = time_us(datetime.max.replace(tzinfo=UTC))
    claimed = NOW - timedelta(days=1)
    assert parsed(post(1, last, createdAt=claimed.isoformat())).created_at == claimed


def test_text_is_cleaned_and_bounded() -> None:
    assert parsed(post(1, AT, "a\x00b")).text == "a\ufffdb"
    assert len(parsed(post(1, AT, "x" * 2 * TEXT_LIMIT)).text) == TEXT_LIMIT


@pytest.mark.parametrize(
    "record", [None, [], "text", {}, {"text": 7}, {"text": None}], ids=["none", "list", "str", "empty", "int", "null"]
)
def test_a_record_without_a_text_is_refused(record: object) -> None:
    found = event(commit("create", AT, rkey(1), record=record))
    assert (found.candidate, found.passed_over, found.refused) == (None, "no text in its record", True)


@pytest.mark.parametrize(
    ("did", "key"), [("", "a"), ("did:plc:" + "x" * 300, "a"), ("did:plc:a/b", "a"), (ANA, ""), (ANA, "x" * 200)]
)
def test_an_id_that_cannot_be_is_refused(did: str, key: str) -> None:
    found = event(commit("create", AT, key, did=did, record={"text": "hello"}))
    assert (found.candidate, found.passed_over, found.refused) == (None, "no usable id", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"langs": "en"},
        {"langs": [7]},
        {"langs": ["x" * 100]},
        {"langs": []},
        {"facets": {"a": 1}},
        {"facets": [None, {"features": 3}, {"features": ["x", {"uri": 9}]}]},
        {"embed": "none"},
        {"embed": {"external": [], "record": {"record": 7}, "media": 1}},
        {"reply": "yes"},
    ],
)
def test_fields_of_other_types_cost_only_themselves(changes: dict[str, Any]) -> None:
    found = candidate(post(1, AT, "still here", **changes))
    assert (found.post.text, found.post.links, found.reply, found.quote) == ("still here", [], False, False)
    if "langs" in changes:
        assert found.post.lang == ""


def test_other_collections_and_unknown_operations() -> None:
    assert event(commit("create", AT, "a", collection="app.bsky.feed.like")).passed_over == "other collection"
    assert event(commit("merge", AT, "a")) == Event(AT, passed_over="unknown operation", refused=True)


@pytest.mark.parametrize("frame", [b"", b"\xff", b"{", b"[]", b"7", b'{"kind":7}', b'{"time_us":"1"}', b"{}"])
def test_what_is_no_message_is_told_without_its_words(frame: bytes) -> None:
    with pytest.raises(NoMessage) as raised:
        event(frame)
    assert str(raised.value) in ("not JSON", "JSON of another shape", "a message without a time")


def test_an_error_of_the_server_is_one_short_line() -> None:
    with pytest.raises(ServerError, match=r"^Consumer Too Slow$"):
        event(b'{"$type":"error","error":"Consumer\\nToo\\u2028Slow"}')
    with pytest.raises(ServerError) as raised:
        event(json.dumps({"$type": "error", "error": "x" * 5000}).encode())
    assert len(str(raised.value)) == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(["text", "langs", "createdAt", "facets", "embed", "reply"]), json_values))
def test_any_record_is_a_post_that_the_queue_takes_or_has_a_reason(record: dict[str, Any]) -> None:
    found = event(commit("create", AT, rkey(1), record=record))
    if found.candidate is None:
        assert found.passed_over
    else:
        assert decode_post(encode(found.candidate.post)) == found.candidate.post


@settings(max_examples=150)
@given(json_values)
def test_any_json_is_a_message_or_has_a_reason(document: object) -> None:
    with suppress(NoMessage, ServerError):
        event(json.dumps(document).encode())
