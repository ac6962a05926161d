"""Whatever becomes of X's payload, a line gives a sendable post or NoPost, and nothing else."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.contracts import decode_post, encode
from stream_getter.x_payload import NoPost, parse_post

RECEIVED = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PAYLOADS = [json.loads(line)["post"] for line in (SAMPLES / "posts_dev.jsonl").read_bytes().splitlines()]

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def changed_payloads(draw: st.DrawFn) -> bytes:
    """A sample payload in which some values are replaced or left out."""
    payload = copy.deepcopy(draw(st.sampled_from(PAYLOADS)))
    for _ in range(draw(st.integers(1, 4))):
        parent, key = draw(st.sampled_from(places(payload) or [({"data": None}, "data")]))
        if draw(st.booleans()):
            parent[key] = draw(json_values)
        else:
            del parent[key]
    return json.dumps(payload, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


@st.composite
def damaged_lines(draw: st.DrawFn) -> bytes:
    """A sample line in which some bytes are replaced, or which is cut."""
    line = json.dumps(draw(st.sampled_from(PAYLOADS))).encode()
    at = draw(st.integers(0, len(line)))
    gone = draw(st.integers(0, 5) | st.just(len(line)))
    return line[:at] + draw(st.binary(max_size=6)) + line[at + gone :]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) in a document."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def assert_post_or_reason(line: bytes) -> None:
    try:
        post = parse_post(line, RECEIVED, "trace-1")
    except NoPost:
        return
    assert post.text
    assert decode_post(encode(post)) == post


@settings(max_examples=200, deadline=None)
@given(changed_payloads())
def test_changed_values(line: bytes) -> None:
    assert_post_or_reason(line)


@settings(max_examples=200, deadline=None)
@given(damaged_lines())
def test_damaged_bytes(line: bytes) -> None:
    assert_post_or_reason(line)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=50))
@example(b'"\\ud800"')
@example(b"1" * 5000)
def test_any_bytes(line: bytes) -> None:
    assert_post_or_reason(line)
