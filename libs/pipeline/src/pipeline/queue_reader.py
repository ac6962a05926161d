"""Receives from one SQS queue, keeps what is worked on invisible, and settles each message for good.

Every message that ``receive`` hands out must be settled by exactly one of ``delete``, ``give_back`` and
``dead_letter``. Until then a heartbeat prolongs its invisibility, however long the work takes (12 hours at most: SQS).
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.backoff import Backoff
from pipeline.connection_state import ConnectionState
from pipeline.logs import get_logger
from pipeline.queue_metrics import QueueMetrics
from pipeline.sqs_rules import ATTRIBUTES, BATCH_BYTES, BATCH_ENTRIES, message_size, string_attributes
from pipeline.text import clean

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = get_logger(__name__)

#: Seconds of a long poll: short enough for a drain within 25 s.
POLL_SECONDS = 5
#: Seconds that a drain leaves for a reader's ``close``.
GIVE_BACK_SECONDS = 3.0
#: Characters of a dead letter's reason.
_REASON_LENGTH = 500
_SETTLE_TRIES = 3
#: Seconds before the second try; each further wait is longer by as much.
_SETTLE_WAIT = 0.2
#: Heartbeats within a visibility timeout: two may fail.
_BEATS = 3


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message in hand. ``receive_count`` is SQS's own count, this time included; ``sent_at`` is in UNIX seconds."""

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    attributes: dict[str, str]
    sent_at: float = 0.0


class QueueReader:
    """One queue and its dead-letter queue. Safe for several threads; ``close`` gives back what is still held."""

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        dead_letter_queue_url: str,
        name: str,
        service: str,
        metrics: QueueMetrics,
        backoff: Backoff,
        stopping: threading.Event,
        *,
        visibility_timeout: int = 60,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url
        self._name = name
        self._service = service
        self._metrics = metrics
        self._backoff = backoff
        self._stopping = stopping
        self._visibility = visibility_timeout
        self._now = now
        self._lock = threading.Lock()
        self._held: dict[str, ReceivedMessage] = {}
        self._prolonging = threading.Lock()
        self._closed = threading.Event()
        self.state = ConnectionState(f"receiving from queue {name}")
        metrics.start_reader_at_zero(name)
        metrics.oldest_age.labels(name).set_function(self._oldest_age)
        self._heartbeat = threading.Thread(target=self._beat, name=f"{name}-heartbeat", daemon=True)
        self._heartbeat.start()

    def receive(self, limit: int = BATCH_ENTRIES) -> list[ReceivedMessage]:
        """Up to ``limit`` (1 to 10) messages; none after 5 s without any, or when the queue cannot be reached.

        In the latter case it has waited with backoff before it returns, so that callers may simply call again.
        """
        try:
            response = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=POLL_SECONDS,
                VisibilityTimeout=self._visibility,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        except (BotoCoreError, ClientError) as error:
            if not self._stopping.is_set():
                self.state.failed(str(error))
                self._stopping.wait(self._backoff.next())
            return []
        self.state.reached()
        self._backoff.reset()
        messages = [_received(raw) for raw in response.get("Messages", [])]
        with self._lock:
            self._held.update((message.receipt_handle, message) for message in messages)
        self._metrics.received.labels(self._name).inc(len(messages))
        for message in messages:
            self._metrics.wait.labels(self._name).observe(max(0.0, self._now() - message.sent_at))
        return messages

    def delete(self, messages: Sequence[ReceivedMessage]) -> None:
        """Everything that the messages led to has been accepted: they are done with.

        What cannot be deleted comes again later; that is logged, and the stages after this one fold the repeat.
        """
        failed = self._in_batches(messages, self._delete_batch)
        self._metrics.deleted.labels(self._name).inc(len(messages) - len(failed))
        self._forget(messages)
        if failed:
            log.warning("messages could not be deleted and will come again", queue=self._name, messages=len(failed))

    def give_back(self, messages: Sequence[ReceivedMessage], delay_seconds: int = 0) -> None:
        """Makes messages visible again after ``delay_seconds`` (up to 12 h), for whoever receives them then."""
        with self._prolonging:  # a heartbeat under way would hide them again
            self._in_batches(messages, lambda batch: self._change_visibility(batch, delay_seconds))
            self._forget(messages)
        self._metrics.given_back.labels(self._name).inc(len(messages))

    def dead_letter(self, message: ReceivedMessage, reason: str) -> None:
        """Moves a message that can never succeed to the dead letters, with reason, service and source MessageId.

        It leaves this queue only after the other has accepted it; when that fails it is given back for a minute.
        """
        why = {
            "reason": clean(reason)[:_REASON_LENGTH] or "unknown",
            "service": self._service,
            "source_message_id": message.id,
        }
        kept = {name: value for name, value in message.attributes.items() if name not in why}
        attributes = dict(list(kept.items())[: ATTRIBUTES - len(why)]) | why
        body = message.body
        if message_size(body, attributes) > BATCH_BYTES:
            # the attributes made it too large; what is cut is the end of at least a megabyte
            body = body.encode()[: BATCH_BYTES - message_size("", attributes)].decode(errors="ignore")
        try:
            self._sqs.send_message(
                QueueUrl=self._dead_letter_queue_url,
                MessageBody=body,
                MessageAttributes=string_attributes(attributes),
            )
        except (BotoCoreError, ClientError) as error:
            log.warning("dead letters cannot be written, trying again", queue=self._name, reason=str(error))
            self.give_back([message], delay_seconds=60)
            return
        log.warning("dead letter", queue=self._name, reason=attributes["reason"], message_id=message.id)
        self._metrics.dead_lettered.labels(self._name).inc()
        self.delete([message])

    def close(self) -> None:
        """Gives back at once whatever is still held, and ends the heartbeat."""
        self._closed.set()
        self._heartbeat.join(timeout=2.0)
        if left := self._all_held():
            self.give_back(left)

    def _beat(self) -> None:
        while not self._closed.wait(self._visibility / _BEATS):
            for batch in _tens(self._all_held()):
                if self._closed.is_set():  # close() waits for one call, not for one per batch
                    return
                with self._prolonging:
                    self._in_batches(
                        self._still_held(batch), lambda some: self._change_visibility(some, self._visibility), tries=1
                    )

    def _delete_batch(self, batch: Sequence[ReceivedMessage]) -> list[ReceivedMessage]:
        entries: Any = [{"Id": str(i), "ReceiptHandle": m.receipt_handle} for i, m in enumerate(batch)]
        response = self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        return self._still_claimed(batch, response.get("Failed", []))

    def _change_visibility(self, batch: Sequence[ReceivedMessage], seconds: int) -> list[ReceivedMessage]:
        entries: Any = [
            {"Id": str(i), "ReceiptHandle": m.receipt_handle, "VisibilityTimeout": seconds} for i, m in enumerate(batch)
        ]
        response = self._sqs.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)
        return self._still_claimed(batch, response.get("Failed", []))

    def _still_claimed(self, batch: Sequence[ReceivedMessage], failed: Sequence[Any]) -> list[ReceivedMessage]:
        """Those of the failed entries that are worth another try; expired receipts are dropped, and counted once."""
        retry: list[ReceivedMessage] = []
        expired: list[ReceivedMessage] = []
        for entry in failed:
            (expired if entry.get("SenderFault") else retry).append(batch[int(entry["Id"])])
        # one that was settled while the heartbeat's call was under way is no loss
        if expired := self._forget(expired):
            self._metrics.claims_lost.labels(self._name).inc(len(expired))
            log.warning("receipts expired, the messages come again", queue=self._name, messages=len(expired))
        return retry

    def _in_batches(self, messages: Sequence[ReceivedMessage], call: Any, tries: int = _SETTLE_TRIES) -> list[Any]:
        """Calls ``call`` with up to ten messages at a time; the messages for which it failed to the last."""
        failed: list[ReceivedMessage] = []
        for batch in _tens(messages):
            left = list(batch)
            for attempt in range(tries):
                if attempt and self._closed.wait(_SETTLE_WAIT * attempt):
                    break
                try:
                    left = call(left)
                except (BotoCoreError, ClientError) as error:
                    self.state.failed(str(error))
                if not left:
                    break
            failed += left
        return failed

    def _oldest_age(self) -> float:
        oldest = min((message.sent_at for message in self._all_held()), default=None)
        return 0.0 if oldest is None else max(0.0, self._now() - oldest)

    def _all_held(self) -> list[ReceivedMessage]:
        with self._lock:
            return list(self._held.values())

    def _still_held(self, messages: Sequence[ReceivedMessage]) -> list[ReceivedMessage]:
        with self._lock:
            return [message for message in messages if message.receipt_handle in self._held]

    def _forget(self, messages: Sequence[ReceivedMessage]) -> list[ReceivedMessage]:
        """Ends the claim on messages; those of them that were still held."""
        with self._lock:
            return [message for message in messages if self._held.pop(message.receipt_handle, None)]


def _tens(messages: Sequence[ReceivedMessage]) -> Iterator[Sequence[ReceivedMessage]]:
    for start in range(0, len(messages), BATCH_ENTRIES):
        yield messages[start : start + BATCH_ENTRIES]


def _received(raw: Any) -> ReceivedMessage:
    return ReceivedMessage(
        id=raw["MessageId"],
        body=raw["Body"],
        receipt_handle=raw["ReceiptHandle"],
        receive_count=int(raw.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
        attributes={
            name: value["StringValue"]
            for name, value in raw.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
        sent_at=int(raw.get("Attributes", {}).get("SentTimestamp", 0)) / 1000,
    )
