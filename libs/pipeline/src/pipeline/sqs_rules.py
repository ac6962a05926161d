"""What Amazon SQS allows and what its errors mean (SQS API Reference: quotas, SendMessageBatch)."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

#: Entries and bytes of a batch; the bytes are also those of one message.
BATCH_ENTRIES = 10
BATCH_BYTES = 1_048_576
#: Attributes of a message.
ATTRIBUTES = 10

#: Error codes that say of one message that it will never be accepted, however often it is sent.
_REFUSING_CODES = frozenset(
    {"InvalidMessageContents", "InvalidParameterValue", "InvalidAttributeValue", "MissingParameter"}
)


def message_size(body: str, attributes: Mapping[str, str]) -> int:
    """Bytes as SQS counts them: the body, and each attribute's name, type and value. Raises UnicodeEncodeError."""
    size = _bytes(body)
    for name, value in attributes.items():
        size += _bytes(name) + len("String") + _bytes(value)
    return size


def string_attributes(attributes: Mapping[str, str]) -> dict[str, Any]:
    """Message attributes in the shape of the SQS and SNS APIs."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}


def is_refusing_code(code: str) -> bool:
    """Whether an entry's error code says that the entry will never be accepted."""
    return _bare(code) in _REFUSING_CODES


def is_refusal(error: Exception) -> bool:
    """Whether a call failed for its content, which can then never be accepted, whoever sends it and when.

    botocore itself refuses some: ParamValidationError.
    """
    code = _bare(_code(error))
    return isinstance(error, ParamValidationError) or code in _REFUSING_CODES or code == "BatchRequestTooLong"


def is_denied(error: Exception) -> bool:
    """Whether the queue is there, and this client may not do that."""
    return "AccessDenied" in _code(error)


def _bytes(text: str) -> int:
    # of ASCII no copy is made
    return len(text) if text.isascii() else len(text.encode())


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _bare(code: str) -> str:
    """An error code without the namespace that some of them come with: AWS.SimpleQueueService."""
    return code.rpartition(".")[2]
