"""What is known of a dead letter, and which reasons are of one kind."""

import json
from typing import Any

import pytest

from pipeline.contracts import encode
from pipeline.dead_letters.letter import MOVED_BY_SQS, NO_REASON, DeadLetter, constant_part
from pipeline.sqs_rules import string_attributes
from tests.support.examples import a_delivery, a_post, an_alert


def a_letter(body: str = "{}", system: dict[str, str] | None = None, **attributes: str) -> DeadLetter:
    raw: dict[str, Any] = {
        "MessageId": "id-1",
        "Body": body,
        "Attributes": {"SentTimestamp": "1800000000250", "ApproximateReceiveCount": "3"} | (system or {}),
        "MessageAttributes": string_attributes(attributes),
    }
    return DeadLetter.of(raw)


def test_what_a_service_gave_up() -> None:
    letter = a_letter(reason="not a post: odd", service="classifier", source_message_id="id-0", redriven="2")
    assert (letter.reason, letter.service, letter.source_message_id) == ("not a post: odd", "classifier", "id-0")
    assert (letter.sent_at, letter.receive_count, letter.redriven) == (1_800_000_000.25, 3, 2)


def test_what_sqs_moved_by_itself_has_no_reason_whatever_its_attributes_say() -> None:
    letter = a_letter(
        system={"DeadLetterQueueSourceArn": "arn"},
        reason="not a post: odd",
        service="classifier",
        source_message_id="0",
    )
    assert (letter.reason, letter.service, letter.source_message_id) == (MOVED_BY_SQS, "", "id-1")


def test_what_came_without_a_word() -> None:
    letter = DeadLetter.of({"MessageId": "id-1", "Body": "x"})
    assert (letter.reason, letter.service, letter.source_message_id) == (NO_REASON, "", "")
    assert (letter.trace_id, letter.redriven) == ("", 0)


@pytest.mark.parametrize(
    ("body", "attributes", "trace_id"),
    [
        (encode(a_post(trace_id="of the body")), {"trace_id": "of the attribute"}, "of the attribute"),
        (encode(a_post(trace_id="t-1")), {}, "t-1"),
        (encode(an_alert("flood", post=a_post(trace_id="t-2"))), {}, "t-2"),
        (encode(a_delivery(trace_id="t-3")), {}, "t-3"),
        ("no JSON", {}, ""),
        ("[" * 100_000, {}, ""),
        ('{"trace_id": 7}', {}, ""),
        ('{"post": "x"}', {}, ""),
        ("[]", {}, ""),
    ],
)
def test_the_trace_id_is_the_attributes_or_the_bodys(body: str, attributes: dict[str, str], trace_id: str) -> None:
    assert a_letter(body, None, **attributes).trace_id == trace_id


@pytest.mark.parametrize(("told", "count"), [("0", 0), ("999", 999), ("-1", 0), ("²", 0), ("many", 0), ("9" * 4301, 0)])
def test_a_count_that_is_none_counts_from_zero(told: str, count: int) -> None:
    assert a_letter(redriven=told).redriven == count


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("not a post: JSON is malformed: invalid character (byte 0)", "not a post: …"),
        ("refused by the model: too long", "refused by the model: …"),
        ("its alert cannot be sent: a message of 1048577 bytes", "its alert cannot be sent: …"),
        ("channel desk: expired after 12 attempts", "channel desk: expired after … attempts"),
        ("channel desk: not in the configuration", "channel desk: not in the configuration"),
        ("channel desk: HTTP 404: no such topic", "channel desk: HTTP …: …"),
        (MOVED_BY_SQS, "moved by SQS: …"),
        (NO_REASON, NO_REASON),
        ("", ""),
        ("a" * 500, "a" * 120 + "…"),
    ],
)
def test_reasons_of_one_kind_have_a_part_in_common(reason: str, kind: str) -> None:
    assert constant_part(reason) == kind


def test_a_body_of_numbers_too_long_to_read_has_no_trace_id() -> None:
    assert a_letter(json.dumps({"trace_id": "t"})[:-1] + ', "n": ' + "9" * 5000 + "}").trace_id == ""
