"""Sends messages to one SQS queue in full batches, and tells the owner of each when the queue has accepted it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.backoff import Backoff
from pipeline.connection_state import ConnectionState
from pipeline.errors import Unsendable, WriterClosed
from pipeline.logs import get_logger
from pipeline.queue_metrics import QueueMetrics
from pipeline.sqs_rules import (
    BATCH_BYTES,
    BATCH_ENTRIES,
    is_denied,
    is_refusal,
    is_refusing_code,
    message_size,
    string_attributes,
)

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = get_logger(__name__)

#: Seconds that close() still gives to a call that is under way when its time is over.
_LAST_CALL_SECONDS = 1.0


@dataclass(eq=False, slots=True)
class _Outgoing:
    body: str
    attributes: Mapping[str, str]
    delay_seconds: int
    size: int
    accepted: "Future[None]" = field(default_factory=Future)

    def entry(self, id_: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"Id": id_, "MessageBody": self.body}
        if self.attributes:
            entry["MessageAttributes"] = string_attributes(self.attributes)
        if self.delay_seconds:
            entry["DelaySeconds"] = self.delay_seconds
        return entry


class QueueWriter:
    """A bounded buffer in front of a queue, emptied by one thread of its own.

    ``put`` may be called from any thread. A message stays in the buffer until the queue accepted it; the queue's
    outage is waited out with backoff, and a full buffer makes ``put`` wait. One message's failure holds up no other.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        name: str,
        metrics: QueueMetrics,
        backoff: Backoff,
        *,
        linger_seconds: float = 0.02,
        max_buffered_bytes: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._name = name
        self._metrics = metrics
        metrics.start_writer_at_zero(name)
        self._backoff = backoff
        self._linger = linger_seconds
        self._max_bytes = max_buffered_bytes
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[_Outgoing] = deque()
        self._bytes = 0  # of those waiting and of those being sent
        self._refusing_when_full = False
        self._closed = False
        self._abandoned = 0
        self._aborted = threading.Event()
        self.state = ConnectionState(f"sending to queue {name}")
        self._thread = threading.Thread(target=self._run, name=f"{name}-writer", daemon=True)
        self._thread.start()

    def put(self, body: str, attributes: Mapping[str, str] | None = None, delay_seconds: int = 0) -> "Future[None]":
        """Takes a message; waits while the buffer is full. ``delay_seconds`` is from 0 to 900.

        Nothing is raised here: the future's result is None once the queue has accepted the message, and an exception
        otherwise: Unsendable if the queue never will, WriterClosed if the writer was closed before.
        """
        attributes = attributes or {}
        try:
            size = message_size(body, attributes)
        except UnicodeEncodeError as error:
            return self._unsendable(str(error))
        if size > BATCH_BYTES:
            return self._unsendable(f"a message of {size} bytes, and the queue takes at most {BATCH_BYTES}")
        message = _Outgoing(body, attributes, delay_seconds, size)
        with self._changed:
            while not self._closed and self._is_full_for(message) and not self._refusing_when_full:
                self._changed.wait()
            if self._closed or self._is_full_for(message):
                message.accepted.set_exception(WriterClosed(f"the writer of queue {self._name} is closing"))
                return message.accepted
            self._waiting.append(message)
            self._bytes += message.size
            self._metrics.buffered_bytes.labels(self._name).set(self._bytes)
            self._changed.notify_all()
        return message.accepted

    def refuse_when_full(self) -> None:
        """From now on a full buffer refuses instead of waiting: a drain must not hang on an outage."""
        with self._changed:
            self._refusing_when_full = True
            self._changed.notify_all()

    def close(self, timeout: float) -> bool:
        """Takes no more, sends what waits for up to ``timeout`` seconds, and ends the thread.

        Returns whether everything was accepted; the futures of what was not raise WriterClosed.
        """
        with self._changed:
            self._closed = True
            if self._bytes == 0:
                self._aborted.set()  # nothing is lost by not waiting for a queue that was never reached
            self._changed.notify_all()
        self._thread.join(max(0.0, timeout))
        self._aborted.set()
        with self._changed:
            self._changed.notify_all()
        # one call may still be under way; it is bounded by the client's own time-outs
        self._thread.join(_LAST_CALL_SECONDS)
        self._abandon_waiting()
        if self._abandoned:
            log.error("stopped before everything was sent", queue=self._name, messages=self._abandoned)
        return not self._bytes and not self._abandoned and not self._thread.is_alive()

    def _run(self) -> None:
        batch: list[_Outgoing] = []
        try:
            self._reach()
            while batch := self._take():
                if self._send(batch):
                    for message in batch:
                        self._send([message])
        except Exception as error:
            # nobody waits for this thread: without this every owner would wait for ever
            log.exception("the writer crashed", queue=self._name)
            self.state.failed(f"the writer crashed: {error}")
            with self._changed:
                self._closed = True
                in_line = set(self._waiting)
                self._waiting.extendleft(m for m in batch if m not in in_line and not m.accepted.done())
                self._changed.notify_all()
        # a call that outlasted close() may have put its messages back since
        self._abandon_waiting()

    def _reach(self) -> None:
        """Asks for the queue once before there is anything to send, so that readiness and logs tell at start."""
        while not self._waiting and not self._closed:
            try:
                self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])
            except (BotoCoreError, ClientError) as error:
                if not is_denied(error):
                    self._pause(str(error))
                    continue
            self._backoff.reset()
            self.state.reached()
            return

    def _take(self) -> list[_Outgoing]:
        """The next batch, once it is full or its oldest has waited for the linger time; empty at the end."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            deadline = self._clock() + self._linger
            while not self._closed and not self._full():
                remaining = deadline - self._clock()
                if remaining <= 0:
                    break
                self._changed.wait(remaining)
            if self._aborted.is_set():
                return []
            batch: list[_Outgoing] = []
            size = 0
            while self._waiting and len(batch) < BATCH_ENTRIES and size + self._waiting[0].size <= BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += batch[-1].size
            return batch

    def _full(self) -> bool:
        return len(self._waiting) >= BATCH_ENTRIES or self._bytes >= BATCH_BYTES

    def _send(self, batch: list[_Outgoing]) -> bool:
        """Sends a batch once and settles or re-queues each of its messages. True: send each again, alone, now."""
        try:
            response = self._sqs.send_message_batch(
                QueueUrl=self._queue_url,
                Entries=[message.entry(str(index)) for index, message in enumerate(batch)],  # type: ignore[misc]
            )
        except (BotoCoreError, ClientError) as error:
            if not is_refusal(error):
                self._retry_later(batch, first=True)
                self._pause(str(error))
            elif len(batch) > 1:
                return True
            else:
                self._refuse(batch[0], str(error))
            return False
        failed = []
        for entry in response.get("Failed", []):
            message = batch[int(entry["Id"])]
            if is_refusing_code(entry["Code"]):
                self._refuse(message, entry.get("Message") or entry["Code"])
            else:
                failed.append(message)
        accepted = [batch[int(entry["Id"])] for entry in response.get("Successful", [])]
        answered = {int(entry["Id"]) for entry in (*response.get("Successful", []), *response.get("Failed", []))}
        failed += [message for index, message in enumerate(batch) if index not in answered]
        self._settle(accepted)
        self._retry_later(failed, first=False)
        if failed and not accepted:
            first = next(iter(response.get("Failed", [])), {"Code": "no word about an entry"})
            self._pause(first.get("Message") or first["Code"])
        elif accepted:
            self._backoff.reset()
            self.state.reached()
        return False

    def _abandon_waiting(self) -> None:
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
            self._abandoned += len(left)
        self._release(left)
        for message in left:
            message.accepted.set_exception(WriterClosed(f"the writer of queue {self._name} closed before it was sent"))

    def _settle(self, accepted: list[_Outgoing]) -> None:
        self._release(accepted)
        for message in accepted:
            message.accepted.set_result(None)
        self._metrics.sent.labels(self._name).inc(len(accepted))

    def _unsendable(self, reason: str) -> "Future[None]":
        self._metrics.unsendable.labels(self._name).inc()
        refused: Future[None] = Future()
        refused.set_exception(Unsendable(reason))
        return refused

    def _refuse(self, message: _Outgoing, reason: str) -> None:
        self._release([message])
        self._metrics.unsendable.labels(self._name).inc()
        message.accepted.set_exception(Unsendable(reason))

    def _retry_later(self, messages: list[_Outgoing], *, first: bool) -> None:
        """Puts messages back: first in line after an outage, last when only they failed, so that others pass."""
        if not messages:
            return
        self._metrics.send_failures.labels(self._name).inc(len(messages))
        with self._changed:
            if first:
                self._waiting.extendleft(reversed(messages))
            else:
                self._waiting.extend(messages)

    def _pause(self, reason: str) -> None:
        self.state.failed(reason)
        self._aborted.wait(self._backoff.next())

    def _is_full_for(self, message: _Outgoing) -> bool:
        return self._bytes > 0 and self._bytes + message.size > self._max_bytes

    def _release(self, messages: list[_Outgoing]) -> None:
        with self._changed:
            self._bytes -= sum(message.size for message in messages)
            self._metrics.buffered_bytes.labels(self._name).set(self._bytes)
            self._changed.notify_all()
