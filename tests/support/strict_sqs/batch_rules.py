"""What a batch request must be before any of its entries counts (SQS API Reference: SendMessageBatch and others)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.strict_sqs.errors import SqsError
from tests.support.strict_sqs.limits import BATCH_ENTRIES, LARGEST_PAYLOAD
from tests.support.strict_sqs.message_rules import payload_size

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_batch(entries: Sequence[Mapping[str, Any]], entry_type: str) -> None:
    """Raises SqsError: the whole request is refused."""
    if not entries:
        raise SqsError("EmptyBatchRequest", f"There should be at least one {entry_type} in the request.")
    if len(entries) > BATCH_ENTRIES:
        raise SqsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {BATCH_ENTRIES}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        if not _ID.fullmatch(entry["Id"]):
            raise SqsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
        if entry["Id"] in seen:
            raise SqsError("BatchEntryIdsNotDistinct", f"Id {entry['Id']} repeated.")
        seen.add(entry["Id"])


def check_payload(entries: Sequence[Mapping[str, Any]]) -> None:
    """Raises SqsError where the messages are too large together."""
    size = sum(payload_size(entry) for entry in entries)
    if size > LARGEST_PAYLOAD:
        raise SqsError(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {LARGEST_PAYLOAD} bytes. You have sent {size} bytes.",
        )
