"""A message as a queue has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple


class Place(Enum):
    """Where a message is in its queue."""

    VISIBLE = auto()
    DELAYED = auto()
    IN_FLIGHT = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class Content:
    """What was sent, and never changes. MD5 sums are in hexadecimal; without attributes theirs is empty."""

    body: str
    attributes: Mapping[str, Mapping[str, Any]]
    system_attributes: Mapping[str, str]
    body_md5: str
    attributes_md5: str


@dataclass(slots=True, eq=False)
class Message:
    """All times are in milliseconds.

    The latest receive's claim ends at ``claimed_until_ms``; a receive can give the message from ``available_ms`` on,
    which is up to a second later where the queue is told to be late.
    """

    id: str
    number: int
    content: Content
    sent_ms: int
    place: Place = Place.VISIBLE
    available_ms: int = 0
    receives: int = 0
    first_received_ms: int = 0
    received_ms: int = 0
    claimed_until_ms: int = 0
    #: The queue that it was dead-lettered from by maxReceiveCount.
    source_arn: str = ""


class Delivery(NamedTuple):
    """One receive of one message; the message itself may have changed since."""

    message: Message
    receipt: str
    receives: int
    first_received_ms: int
