"""Requests and answers of SQS' JSON protocol, as far as readers and writers need them (SQS API Reference)."""

import msgspec


class Shape(msgspec.Struct, rename="pascal", omit_defaults=True):
    """Fields in the API's spelling. Unknown ones are ignored: what they ask for is not done."""


class CreateQueue(Shape):
    """A request, its attributes left out: they are ignored."""

    queue_name: str


class OnQueue(Shape):
    """Any request that names a queue; whole for those that say nothing more."""

    queue_url: str


class SendEntry(Shape):
    """One message to be sent. Its attributes are kept as they are, and not looked into."""

    id: str
    message_body: str
    message_attributes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class SendMessageBatch(OnQueue):
    """A request."""

    entries: list[SendEntry]


class SendMessage(OnQueue):
    """A request."""

    message_body: str
    message_attributes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class ReceiveMessage(OnQueue):
    """A request; times in seconds. To name any attribute is to name all."""

    max_number_of_messages: int = 1
    wait_time_seconds: float = 0
    visibility_timeout: float = 30
    message_attribute_names: list[str] = []
    message_system_attribute_names: list[str] = []


class DeleteEntry(Shape):
    """One message to be deleted."""

    id: str
    receipt_handle: str


class DeleteMessageBatch(OnQueue):
    """A request."""

    entries: list[DeleteEntry]


class HideEntry(DeleteEntry):
    """One message to be hidden for so many seconds from now."""

    visibility_timeout: float = 0


class ChangeMessageVisibilityBatch(OnQueue):
    """A request."""

    entries: list[HideEntry]


class Sent(Shape):
    """The answer to one SendEntry."""

    id: str
    message_id: str
    md5: str = msgspec.field(name="MD5OfMessageBody")


class SentOne(Shape):
    """The answer to SendMessage."""

    message_id: str
    md5: str = msgspec.field(name="MD5OfMessageBody")


class Settled(Shape):
    """The answer to one DeleteEntry or HideEntry."""

    id: str


class Refused(Shape):
    """The answer to one entry that could not be done."""

    id: str
    code: str
    sender_fault: bool
    message: str


class BatchAnswer(Shape, omit_defaults=False):
    """The answer to a batch."""

    successful: list[Sent] | list[Settled]
    failed: list[Refused] = []


class Received(Shape):
    """One message of the answer to ReceiveMessage."""

    message_id: str
    receipt_handle: str
    body: str
    md5: str = msgspec.field(name="MD5OfBody")
    attributes: dict[str, str] = {}
    message_attributes: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Messages(Shape):
    """The answer to ReceiveMessage."""

    messages: list[Received] = []


class QueueUrl(Shape):
    """The answer to CreateQueue."""

    queue_url: str


class Attributes(Shape):
    """The answer to GetQueueAttributes."""

    attributes: dict[str, str]


class Nothing(Shape):
    """An empty answer."""


class Error(Shape):
    """The answer to a request that is refused as a whole."""

    type: str = msgspec.field(name="__type")
    text: str = msgspec.field(name="message")
