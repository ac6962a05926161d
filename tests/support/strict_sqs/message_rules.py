"""What SQS accepts as a message (SQS API Reference: SendMessage, SendMessageBatch)."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from tests.support.strict_sqs import message_attributes
from tests.support.strict_sqs.errors import SqsError, invalid_parameter, invalid_value, missing_parameter
from tests.support.strict_sqs.limits import LONGEST_DELAY
from tests.support.strict_sqs.message import Content

_GROUP_ID = re.compile(r"[!-~]{1,128}")
_TRACE_HEADER = "AWSTraceHeader"


def payload_size(message: Mapping[str, Any]) -> int:
    """Bytes as SQS counts them: body and attributes."""
    return len(message_attributes.encoded(message["MessageBody"])) + message_attributes.size(
        message.get("MessageAttributes") or {}
    )


def accepted_content(message: Mapping[str, Any], largest: int) -> Content:
    """The content of a message of at most ``largest`` bytes. Raises SqsError for what is refused."""
    body = message["MessageBody"]
    # copies: what a caller does to its own afterwards must not change what was sent
    attributes = {name: dict(value) for name, value in (message.get("MessageAttributes") or {}).items()}
    if not body:
        raise missing_parameter("MessageBody")
    if payload_size(message) > largest:
        raise invalid_parameter(
            f"One or more parameters are invalid. Reason: Message must be shorter than {largest} bytes."
        )
    if message_attributes.has_refused_characters(body):
        raise SqsError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are "
            "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )
    if attributes:
        message_attributes.check(attributes)
    return Content(
        body,
        attributes,
        _system_attributes(message),
        hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        message_attributes.md5(attributes),
    )


def delay_of(message: Mapping[str, Any], of_queue: int) -> int:
    """Seconds of delay: the message's own, or else the queue's. Raises SqsError."""
    delay: int | None = message.get("DelaySeconds")
    if delay is None:
        return of_queue
    if not 0 <= delay <= LONGEST_DELAY:
        raise invalid_value("DelaySeconds", delay, f"DelaySeconds must be >= 0 and <= {LONGEST_DELAY}.")
    return delay


def _system_attributes(message: Mapping[str, Any]) -> dict[str, str]:
    system: dict[str, str] = {}
    for name, attribute in (message.get("MessageSystemAttributes") or {}).items():
        if name != _TRACE_HEADER or attribute.get("DataType") != "String" or not attribute.get("StringValue"):
            raise invalid_parameter(f"Message system attribute '{name}' is invalid: only {_TRACE_HEADER} is supported.")
        system[name] = attribute["StringValue"]
    if (group := message.get("MessageGroupId")) is not None:
        if not _GROUP_ID.fullmatch(group):
            raise invalid_value(
                "MessageGroupId",
                group,
                "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.",
            )
        system["MessageGroupId"] = group
    if message.get("MessageDeduplicationId") is not None:
        raise invalid_value(
            "MessageDeduplicationId",
            message["MessageDeduplicationId"],
            "The request include parameter that is not valid for this queue type.",
        )
    return system
