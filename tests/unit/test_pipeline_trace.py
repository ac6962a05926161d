"""The trace id in message attributes and log lines."""

import threading

import pytest
import structlog

from pipeline.sqs_rules import message_size
from pipeline.trace import trace_attributes, trace_id_of, tracing
from tests.support.examples import received


def bound() -> dict[str, object]:
    return structlog.contextvars.get_contextvars()


def test_the_id_is_an_attribute_and_read_from_it() -> None:
    message = received("no JSON")
    assert trace_id_of(message) == ""
    message.attributes.update(trace_attributes("t-1"))
    assert message.attributes == {"trace_id": "t-1"}
    assert trace_id_of(message) == "t-1"


def test_no_id_is_no_attribute_for_sqs_refuses_an_empty_one() -> None:
    assert trace_attributes("") == {}


def test_an_id_with_characters_that_sqs_refuses_does_not_cost_its_message() -> None:
    attributes = trace_attributes("t\ud800\x1b-1")
    assert attributes == {"trace_id": "t\ufffd\ufffd-1"}
    assert message_size("", attributes) > 0


def test_lines_within_have_the_id_and_lines_after_have_not() -> None:
    with tracing("t-1"):
        assert bound() == {"trace_id": "t-1"}
    assert bound() == {}


def test_an_inner_id_counts_and_the_outer_one_counts_again_after_it() -> None:
    with tracing("outer"):
        with tracing("inner"):
            assert bound() == {"trace_id": "inner"}
        with tracing(""):
            assert bound() == {"trace_id": "outer"}
        assert bound() == {"trace_id": "outer"}


def test_an_error_ends_it_too() -> None:
    with pytest.raises(LookupError), tracing("t-1"):
        raise LookupError
    assert bound() == {}


def test_other_threads_have_ids_of_their_own() -> None:
    seen: list[dict[str, object]] = []
    with tracing("t-1"):
        thread = threading.Thread(target=lambda: seen.append(bound()))
        thread.start()
        thread.join(5.0)
    assert seen == [{}]
