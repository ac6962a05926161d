"""Receipt handles: one for each receive of a message; how long each is good for is the queue's to say."""

import re
from enum import Enum
from typing import NamedTuple

from tests.support.strict_sqs.errors import SqsError

_MARK = "AQEB"
_HANDLE = re.compile(rf"{_MARK}-([0-9]+)-([0-9]+)-([0-9]+)")


class ExpiredReceipts(Enum):
    """What a receipt is worth once its message is visible again.

    The SQS API Reference (ChangeMessageVisibility) says that to delete or change a message then "might result in an
    error". REFUSED makes the error certain, which no correct client may rely on not to happen. HONOURED is what
    standard queues were seen to do: the latest receipt still deletes and hides the message; an older one's delete
    succeeds without effect (DeleteMessage: "the request will succeed, but the message might not be deleted").
    """

    REFUSED = "refused"
    HONOURED = "honoured"


class Receipt(NamedTuple):
    """Which receive of which message of which queue it was. The same name made anew is another queue."""

    queue: int
    message: int
    receive: int

    def handle(self) -> str:
        return f"{_MARK}-{self.queue}-{self.message}-{self.receive}"


def read_receipt(handle: str) -> Receipt:
    """Raises SqsError for what was never a receipt."""
    match = _HANDLE.fullmatch(handle)
    if not match:
        raise invalid_receipt(handle)
    return Receipt(*map(int, match.groups()))


def invalid_receipt(handle: str) -> SqsError:
    return SqsError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
