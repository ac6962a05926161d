"""The three calls that a reader makes of its queue, in the reader's own terms (SQS API Reference).

Each makes one request and tries nothing again: when and how often is its caller's to decide. What goes wrong with the
call as a whole is raised as CallFailed, whatever the cause; what goes wrong with one entry is told for that entry.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.received_message import ReceivedMessage, received
from pipeline.sqs_rules import is_refusal

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Seconds of a long poll: short enough for a drain within 25 s.
POLL_SECONDS = 5


class CallFailed(Exception):
    """The call has failed, or its answer was lost. ``refused``: for what it contained, not for the queue's state."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class EntryFailure(NamedTuple):
    """One entry of a batch has failed, by its place in it.

    ``refused``: its receipt is worth nothing (any more), so that trying again is of no use.
    """

    place: int
    refused: bool
    reason: str


class QueueCalls:
    """One queue. Safe for several threads, as its client is. Each call is for 1 to 10 messages.

    Each may raise CallFailed. With the clients of pipeline.aws none takes longer than 20 s.
    """

    def __init__(self, sqs: "SQSClient", queue_url: str, visibility_timeout: int) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._visibility = visibility_timeout

    def receive(self, limit: int) -> list[ReceivedMessage]:
        """Up to ``limit`` messages, hidden from others for the visibility timeout; waits for the first up to 5 s."""
        with call_failed():
            response = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=POLL_SECONDS,
                VisibilityTimeout=self._visibility,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        return [received(raw) for raw in response.get("Messages", ())]

    def delete(self, receipts: Sequence[str]) -> list[EntryFailure]:
        """Deletes messages; those that failed."""
        entries: Any = [{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(receipts)]
        with call_failed():
            response = self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        return _failures(len(entries), response)

    def hide(self, receipts: Sequence[tuple[str, int]]) -> list[EntryFailure]:
        """Hides each message from now on for its number of seconds, 0 for not at all; those that failed."""
        entries: Any = [
            {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for index, (receipt, seconds) in enumerate(receipts)
        ]
        with call_failed():
            response = self._sqs.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)
        return _failures(len(entries), response)


@contextmanager
def call_failed() -> Iterator[None]:
    """Turns what a client raises for queue, network and credentials into CallFailed; a bug stays what it is."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CallFailed(str(error), refused=is_refusal(error)) from error
    except RuntimeError as error:
        # botocore has no class of its own for credentials that had expired again by the time that they were fetched
        if "credentials" not in str(error):
            raise
        raise CallFailed(str(error)) from error


def _failures(count: int, response: Mapping[str, Any]) -> list[EntryFailure]:
    failed = response.get("Failed", ())
    failures = [
        EntryFailure(int(entry["Id"]), _is_final(entry), entry.get("Message") or entry["Code"]) for entry in failed
    ]
    if len(failed) + len(response.get("Successful", ())) < count:
        answered = {int(entry["Id"]) for entry in (*failed, *response.get("Successful", ()))}
        failures += [
            EntryFailure(index, False, "no word about an entry") for index in range(count) if index not in answered
        ]
    return failures


def _is_final(entry: Mapping[str, Any]) -> bool:
    """Too many requests are the sender's fault too, and pass."""
    return bool(entry.get("SenderFault")) and "Throttl" not in entry["Code"]
