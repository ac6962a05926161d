"""A dead letter as it lies in its queue, and what is known of how it came there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.dead_lettering import REASON, SERVICE, SOURCE_MESSAGE_ID
from pipeline.trace import TRACE_ID

#: How often a message has been redriven. It stays with the message, whatever becomes of it.
REDRIVEN = "redriven"
#: It counts no further, so that its size is bounded.
MOST_REDRIVEN = 999

NO_REASON = "no reason given"
#: SQS moves a message by itself once it was received more often than its queue's maxReceiveCount, and says not why.
MOVED_BY_SQS = "moved by SQS: received more often than maxReceiveCount"
#: Characters of a reason's constant part.
_KIND_LENGTH = 120
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message of a dead-letter queue.

    ``attributes`` and ``system`` are as SQS gives them.
    """

    id: str
    body: str
    attributes: Mapping[str, Any]
    system: Mapping[str, str]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "DeadLetter":
        """From one entry of what SQS answers to ReceiveMessage, asked for all attributes."""
        return cls(raw["MessageId"], raw["Body"], raw.get("MessageAttributes", {}), raw.get("Attributes", {}))

    @property
    def sent_at(self) -> float:
        """When it came into the dead letters, in UNIX seconds.

        If SQS moved it by itself: when it was first sent (SQS Developer Guide: dead-letter queues).
        """
        return int(self.system.get("SentTimestamp", 0)) / 1000

    @property
    def receive_count(self) -> int:
        """SQS's own count, in which this look and those before it are included."""
        return int(self.system.get("ApproximateReceiveCount", 1))

    @property
    def moved_by_sqs(self) -> bool:
        """Whether SQS brought it here by itself. A reason among its attributes is then one of an earlier time."""
        return "DeadLetterQueueSourceArn" in self.system

    @property
    def reason(self) -> str:
        """Why it is here, in the words of whoever gave it up; never empty."""
        return MOVED_BY_SQS if self.moved_by_sqs else self._text(REASON) or NO_REASON

    @property
    def service(self) -> str:
        """The service that gave it up; empty where none did."""
        return "" if self.moved_by_sqs else self._text(SERVICE)

    @property
    def source_message_id(self) -> str:
        """The MessageId that it had in the queue it comes from; SQS keeps the id of what it moves."""
        return self.id if self.moved_by_sqs else self._text(SOURCE_MESSAGE_ID)

    @property
    def trace_id(self) -> str:
        """The trace id of its attributes, or else of the post or delivery in its body; empty where there is none."""
        return self._text(TRACE_ID) or _trace_id_in(self.body)

    @property
    def redriven(self) -> int:
        """How often it has been redriven, as far as its attributes tell."""
        told = self._text(REDRIVEN)
        return min(int(told), MOST_REDRIVEN) if told.isascii() and told.isdigit() and len(told) <= len("999") else 0

    def _text(self, name: str) -> str:
        return str(self.attributes.get(name, {}).get("StringValue", ""))


def constant_part(reason: str) -> str:
    """What a reason shares with others of its kind: "not a post: …", "channel desk: expired after … attempts".

    The services' reasons begin with what is wrong, then a colon and the details; in those of deliveries the channel
    comes first. Numbers differ from message to message.
    """
    parts = reason.split(": ")
    fixed = 2 if reason.startswith("channel ") else 1
    kind = _NUMBER.sub("…", ": ".join(parts[:fixed]))
    if len(kind) > _KIND_LENGTH:
        kind = kind[:_KIND_LENGTH].rstrip() + "…"
    return kind + (": …" if len(parts) > fixed else "")


def _trace_id_in(body: str) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for place in (content, content.get("post") if isinstance(content, dict) else None):
        if isinstance(place, dict) and isinstance(place.get(TRACE_ID), str):
            return str(place[TRACE_ID])
    return ""
