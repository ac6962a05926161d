"""What the queues have handed out to one service, by the answers themselves and not by the service's own account."""

import json
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from tests.support.chaos.http_proxy import Answer, Call

_BATCH = 10
#: Seconds from which on a timeout is one that keeps a message hidden, and does not give it back.
_HEARTBEAT = 60


class HandOut(NamedTuple):
    """A message in an answer to ReceiveMessage. ``receive_count`` is the queue's own ApproximateReceiveCount.

    ``content_id`` is that of a post or a delivery, empty for an alert; a message and its repeat share it.
    """

    queue_url: str
    message_id: str
    receipt: str
    receive_count: int
    content_id: str

    @property
    def queue(self) -> str:
        return self.queue_url.rpartition("/")[2]


class QueueBooks:
    """The Listener of the proxy between a service and its queues. SQS speaks JSON; other calls are left aside.

    A message is in hand from its hand-out until the queue has answered that it is deleted or visible again. It is
    orphaned where the one that it was handed out to will never settle it: it has died, or the answer was lost.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_hand: dict[str, HandOut] = {}  # by receipt
        self._orphans: dict[str, HandOut] = {}
        self._given_back: list[HandOut] = []
        self._hand_outs: list[HandOut] = []

    def answered(self, call: Call, answer: Answer, *, lost: bool) -> None:
        """See Listener."""
        operation = _operation(call)
        if answer.status != 200 or not operation:
            return
        request, response = json.loads(call.body), json.loads(answer.body or b"{}")
        with self._lock:
            if operation == "ReceiveMessage":
                self._handed_out(request["QueueUrl"], response, self._orphans if lost else self._in_hand)
            elif operation in ("DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
                done = {entry["Id"] for entry in response.get("Successful", ())}
                self._settled(entry for entry in request["Entries"] if entry["Id"] in done)
            elif operation in ("DeleteMessage", "ChangeMessageVisibility"):
                self._settled([request])

    def hand_outs(self) -> list[HandOut]:
        """All so far, in order."""
        with self._lock:
            return list(self._hand_outs)

    def in_hand(self) -> list[HandOut]:
        """What the service, or nobody, holds now."""
        with self._lock:
            return [*self._in_hand.values(), *self._orphans.values()]

    def given_back(self) -> list[HandOut]:
        """What the service has made visible again, at once or soon."""
        with self._lock:
            return list(self._given_back)

    def orphan_all(self) -> int:
        """The service has died. How many messages it had in hand."""
        with self._lock:
            count = len(self._in_hand)
            self._orphans |= self._in_hand
            self._in_hand.clear()
        return count

    def end_claims_on_orphans(self, sqs: Any) -> None:
        """Does at once what the queue does when the visibility timeout is over. ``sqs`` is a client past the proxy."""
        with self._lock:
            orphans, self._orphans = list(self._orphans.values()), {}
        for queue_url in {orphan.queue_url for orphan in orphans}:
            receipts = [orphan.receipt for orphan in orphans if orphan.queue_url == queue_url]
            for start in range(0, len(receipts), _BATCH):
                _make_visible(sqs, queue_url, receipts[start : start + _BATCH])

    def _handed_out(self, queue_url: str, response: Any, to: dict[str, HandOut]) -> None:
        for message in response.get("Messages", ()):
            count = int(message["Attributes"]["ApproximateReceiveCount"])
            content_id = json.loads(message["Body"]).get("id", "")
            hand_out = HandOut(queue_url, message["MessageId"], message["ReceiptHandle"], count, content_id)
            to[hand_out.receipt] = hand_out
            self._hand_outs.append(hand_out)

    def _settled(self, entries: Iterable[Any]) -> None:
        for entry in entries:
            if entry.get("VisibilityTimeout", 0) >= _HEARTBEAT:
                continue
            hand_out = self._in_hand.pop(entry["ReceiptHandle"], None) or self._orphans.pop(
                entry["ReceiptHandle"], None
            )
            if hand_out and "VisibilityTimeout" in entry:
                self._given_back.append(hand_out)


def _operation(call: Call) -> str:
    target = call.headers.get("X-Amz-Target", "")
    return target.removeprefix("AmazonSQS.") if target.startswith("AmazonSQS.") else ""


def _make_visible(sqs: Any, queue_url: str, receipts: Sequence[str]) -> None:
    entries = [
        {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0} for index, receipt in enumerate(receipts)
    ]
    try:
        # entries that fail are of receipts that hold for nothing any more
        sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=entries)
    except ClientError as error:
        raise AssertionError(f"claims on {queue_url} could not be ended: {error}") from error
