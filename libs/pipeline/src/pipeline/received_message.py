"""A message as a reader hands it out, and how it is made of what SQS answers to ReceiveMessage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message in hand. ``receive_count`` is SQS's own count, this time included; ``sent_at`` is in UNIX seconds.

    ``receipt_handle`` names this delivery for its reader. The reader may hold a newer receipt of the same message by
    the time that it is settled, and uses that.
    """

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    attributes: dict[str, str]
    sent_at: float = 0.0


def received(raw: Mapping[str, Any]) -> ReceivedMessage:
    """From one entry of ``Messages``. Attributes that are no text, which this system does not send, are left out."""
    system = raw.get("Attributes", {})
    return ReceivedMessage(
        id=raw["MessageId"],
        body=raw["Body"],
        receipt_handle=raw["ReceiptHandle"],
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        attributes={
            name: value["StringValue"]
            for name, value in raw.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
        sent_at=int(system.get("SentTimestamp", 0)) / 1000,
    )
