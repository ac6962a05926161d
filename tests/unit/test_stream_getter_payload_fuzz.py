"""Whatever becomes of X's payload, a line gives a sendable post or NoPost, and nothing else."""

from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.contracts import decode_post, encode
from stream_getter.x.payload import NoPost, parse_post
from tests.support.x_payload_strategies import changed_payloads, damaged_lines

RECEIVED = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)


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
