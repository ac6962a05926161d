"""Dead letters are such that SQS takes them, whatever their message contains."""

import random
from typing import Any

import pytest

from pipeline.dead_lettering import as_dead_letter
from pipeline.received_message import ReceivedMessage
from pipeline.sqs_rules import BATCH_BYTES
from tests.support.strict_sqs import LongPolls, StrictSqs, VirtualClock


def letter(body: str, attributes: dict[str, str], reason: str = "reason") -> Any:
    """What lies in the dead letters of the strict stand-in then."""
    sqs = StrictSqs(VirtualClock(), random.Random(1), long_polls=LongPolls.RETURN)
    url = sqs.make_queue("posts-dlq")
    message = ReceivedMessage("message-1", body, "receipt", 1, attributes)
    sqs.client.send_message(QueueUrl=url, **as_dead_letter(message, reason, "classifier"))
    (raw,) = sqs.client.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    return raw


def texts(raw: Any) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in raw["MessageAttributes"].items()}


def test_it_says_why_who_and_from_where() -> None:
    raw = letter("not JSON", {"trace_id": "t-1"}, "expected JSON")
    assert raw["Body"] == "not JSON"
    assert texts(raw) == {
        "trace_id": "t-1",
        "reason": "expected JSON",
        "service": "classifier",
        "source_message_id": "message-1",
    }


@pytest.mark.parametrize(
    ("reason", "written"),
    [("", "unknown"), ("bad \x1b[31m\ud800", "bad \ufffd[31m\ufffd"), ("long " * 1000, ("long " * 100))],
)
def test_a_reason_is_made_fit(reason: str, written: str) -> None:
    assert texts(letter("a", {}, reason))["reason"] == written


def test_the_largest_message_is_cut_so_that_its_reason_fits() -> None:
    body = letter("é" * (BATCH_BYTES // 2), {})["Body"]
    assert BATCH_BYTES - 200 < len(body.encode()) < BATCH_BYTES
    assert set(body) == {"é"}


def test_a_message_with_as_many_attributes_as_sqs_allows_finds_its_place_too() -> None:
    attributes = {f"name{number}": "value" for number in range(9)} | {"reason": "an earlier one"}
    written = texts(letter("a", attributes))
    assert len(written) == 10
    assert (written["reason"], written["source_message_id"]) == ("reason", "message-1")


def test_characters_that_sqs_refuses_are_replaced() -> None:
    raw = letter("half a pair \ud83d", {"trace_id": "bad \x00"})
    assert (raw["Body"], texts(raw)["trace_id"]) == ("half a pair \ufffd", "bad \ufffd")
