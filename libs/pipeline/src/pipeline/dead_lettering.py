"""What is sent to the dead letters for a message that can never succeed: the message, and why it is there."""

from typing import Any

from pipeline.received_message import ReceivedMessage
from pipeline.sqs_rules import ATTRIBUTES, BATCH_BYTES, message_size, string_attributes
from pipeline.text import clean

#: Attributes that a dead letter gets from whoever gives it up.
REASON = "reason"
SERVICE = "service"
SOURCE_MESSAGE_ID = "source_message_id"
#: Characters of a reason.
_REASON_LENGTH = 500


def as_dead_letter(message: ReceivedMessage, reason: str, service: str) -> dict[str, Any]:
    """The body and attributes for SendMessage, such as SQS takes them whatever the message and the reason contain.

    ``reason``, ``service`` and ``source_message_id`` are always among the attributes. Where SQS' bounds leave no room,
    the message's own last attributes are left out, and then the end of its body, at least a megabyte long, is cut.
    """
    why = {
        REASON: clean(reason)[:_REASON_LENGTH] or "unknown",
        SERVICE: service,
        SOURCE_MESSAGE_ID: message.id,
    }
    kept = {name: clean(value) for name, value in message.attributes.items() if name not in why}
    attributes = dict(list(kept.items())[: ATTRIBUTES - len(why)]) | why
    body = clean(message.body)
    if message_size(body, attributes) > BATCH_BYTES:
        body = body.encode()[: BATCH_BYTES - message_size("", attributes)].decode(errors="ignore")
    return {"MessageBody": body, "MessageAttributes": string_attributes(attributes)}
