"""Attributes of a queue: names, ranges, defaults (SQS API Reference: CreateQueue, SetQueueAttributes)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.strict_sqs.errors import SqsError, invalid_value
from tests.support.strict_sqs.limits import LARGEST_PAYLOAD, LONGEST_DELAY, LONGEST_POLL, LONGEST_VISIBILITY

_RANGES = {
    "DelaySeconds": (0, LONGEST_DELAY),
    "MaximumMessageSize": (1024, LARGEST_PAYLOAD),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, LONGEST_POLL),
    "VisibilityTimeout": (0, LONGEST_VISIBILITY),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_DEFAULTS = {
    "DelaySeconds": "0",
    "MaximumMessageSize": str(LARGEST_PAYLOAD),
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
#: Kept as they come: nothing here depends on them.
_KEPT = {"KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "SqsManagedSseEnabled"}
_REDRIVE = "RedrivePolicy"
#: An empty value takes them away.
_REMOVABLE = {_REDRIVE, "Policy", "RedriveAllowPolicy"}
#: What a queue tells of itself, and nobody can set.
COMPUTED = frozenset(
    {
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
    }
)
KNOWN = COMPUTED | _RANGES.keys() | _KEPT | {_REDRIVE}


@dataclass(frozen=True)
class RedrivePolicy:
    """A message that was received ``most_receives`` times goes to the dead letters at its next receive."""

    dead_letters_arn: str
    most_receives: int


@dataclass(frozen=True)
class Settings:
    """A queue's attributes, read. All times are in seconds."""

    attributes: Mapping[str, str]
    delay: int
    largest_message: int
    retention: int
    poll: int
    visibility: int
    redrive: RedrivePolicy | None

    def changed(self, attributes: Mapping[str, str]) -> "Settings":
        """These settings with some attributes set. Raises SqsError for what SQS refuses."""
        for name, value in attributes.items():
            _check(name, value)
        together = {**self.attributes, **attributes}
        return _read({name: value for name, value in together.items() if value or name not in _REMOVABLE})

    def difference(self, attributes: Mapping[str, str]) -> str | None:
        """The name of an attribute that has another value than that given."""
        for name, value in attributes.items():
            if _comparable(name, self.attributes.get(name, "")) != _comparable(name, value):
                return name
        return None


def initial_settings(attributes: Mapping[str, str]) -> Settings:
    """The settings of a new queue. Raises SqsError."""
    return _read(_DEFAULTS).changed(attributes)


def _read(attributes: Mapping[str, str]) -> Settings:
    return Settings(
        attributes,
        int(attributes["DelaySeconds"]),
        int(attributes["MaximumMessageSize"]),
        int(attributes["MessageRetentionPeriod"]),
        int(attributes["ReceiveMessageWaitTimeSeconds"]),
        int(attributes["VisibilityTimeout"]),
        _redrive_policy(attributes[_REDRIVE]) if _REDRIVE in attributes else None,
    )


def _check(name: str, value: str) -> None:
    if name not in KNOWN or name in COMPUTED:
        raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    if name in _RANGES:
        lowest, highest = _RANGES[name]
        if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
            raise SqsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    if name == _REDRIVE and value:
        _redrive_policy(value)


def _redrive_policy(text: str) -> RedrivePolicy:
    try:
        policy = json.loads(text)
        found = RedrivePolicy(policy["deadLetterTargetArn"], int(policy["maxReceiveCount"]))
    except (ValueError, TypeError, KeyError) as error:
        raise invalid_value(
            _REDRIVE, text, "It must be a JSON object with deadLetterTargetArn and maxReceiveCount."
        ) from error
    if not 1 <= found.most_receives <= 1000:
        raise invalid_value(
            _REDRIVE,
            text,
            f"Invalid value for maxReceiveCount: {found.most_receives}, valid values are from 1 to 1000.",
        )
    return found


def _comparable(name: str, value: str) -> Any:
    return _redrive_policy(value) if name == _REDRIVE and value else value
