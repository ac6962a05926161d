"""The operations that the server knows, from a request's bytes to its answer's."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from bench.quick_sqs import wire
from bench.quick_sqs.queue import Message, Poll, Queue

#: Takes the answer of a call: its HTTP status, and its body.
Respond = Callable[[int, wire.Shape], None]
_BATCH_ENTRIES = 10


class Refusal(Exception):
    """An answer of SQS that is an error, by the API's name for it."""

    def __init__(self, type_: str, text: str) -> None:
        super().__init__(text)
        self.answer = wire.Error(f"com.amazonaws.sqs#{type_}", text)


class Operations:
    """All queues. ``calls`` counts the calls of each queue and operation, refused ones too."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[str, Queue] = {}
        self.calls: Counter[tuple[str, str]] = Counter()
        self._operations: dict[str, tuple[msgspec.json.Decoder[wire.OnQueue], Callable[..., wire.Shape]]] = {
            operation.__name__: (msgspec.json.Decoder(operation), method)
            for operation, method in (
                (wire.SendMessage, self._send_one),
                (wire.SendMessageBatch, self._send),
                (wire.DeleteMessageBatch, self._delete),
                (wire.ChangeMessageVisibilityBatch, self._hide),
            )
        }
        self._operations["GetQueueAttributes"] = (msgspec.json.Decoder(wire.OnQueue), self._attributes)
        self._operations["DeleteQueue"] = (msgspec.json.Decoder(wire.OnQueue), self._delete_queue)
        self._create = msgspec.json.Decoder(wire.CreateQueue)
        self._receive = msgspec.json.Decoder(wire.ReceiveMessage)

    def call(self, operation: str, body: bytes, base_url: str, respond: Respond, is_wanted: Callable[[], bool]) -> None:
        """Does what is asked and has the answer taken, at once or when a poll ends."""
        try:
            if operation == "CreateQueue":
                respond(200, self._create_queue(self._create.decode(body), base_url))
            elif operation == "ReceiveMessage":
                self._poll(self._receive.decode(body), respond, is_wanted)
            elif known := self._operations.get(operation):
                decoder, method = known
                request = decoder.decode(body)
                respond(200, method(self._queue(operation, request), request))
            else:
                respond(400, wire.Error("com.amazonaws.sqs#UnsupportedOperation", f"{operation!r} is not known here."))
        except Refusal as refusal:
            respond(400, refusal.answer)
        except msgspec.DecodeError as error:
            respond(400, wire.Error("com.amazonaws.sqs#SerializationException", str(error)))

    def _queue(self, operation: str, request: wire.OnQueue) -> Queue:
        name = request.queue_url.rpartition("/")[2]
        self.calls[name, operation] += 1
        try:
            return self._queues[name]
        except KeyError:
            raise _does_not_exist() from None

    def _create_queue(self, request: wire.CreateQueue, base_url: str) -> wire.Shape:
        name = request.queue_name
        self._queues.setdefault(name, Queue(name, self._loop))
        return wire.QueueUrl(f"{base_url}/000000000000/{name}")

    def _delete_queue(self, queue: Queue, _request: wire.OnQueue) -> wire.Shape:
        del self._queues[queue.name]
        queue.close()
        return wire.Nothing()

    def _attributes(self, queue: Queue, _request: wire.OnQueue) -> wire.Shape:
        visible, hidden = queue.counts
        return wire.Attributes(
            {
                "QueueArn": f"arn:aws:sqs:us-east-1:000000000000:{queue.name}",
                "ApproximateNumberOfMessages": str(visible),
                "ApproximateNumberOfMessagesNotVisible": str(hidden),
            }
        )

    def _send(self, queue: Queue, request: wire.SendMessageBatch) -> wire.Shape:
        _check_count(request.entries)
        messages = [Message(entry.message_body, entry.message_attributes) for entry in request.entries]
        queue.add(messages)
        return wire.BatchAnswer(
            [
                wire.Sent(entry.id, message.id, message.md5)
                for entry, message in zip(request.entries, messages, strict=True)
            ]
        )

    def _send_one(self, queue: Queue, request: wire.SendMessage) -> wire.Shape:
        message = Message(request.message_body, request.message_attributes)
        queue.add([message])
        return wire.SentOne(message.id, message.md5)

    def _delete(self, queue: Queue, request: wire.DeleteMessageBatch) -> wire.Shape:
        _check_count(request.entries)
        for entry in request.entries:
            queue.delete(entry.receipt_handle)
        return wire.BatchAnswer([wire.Settled(entry.id) for entry in request.entries])

    def _hide(self, queue: Queue, request: wire.ChangeMessageVisibilityBatch) -> wire.Shape:
        _check_count(request.entries)
        hidden = []
        refused = []
        for entry in request.entries:
            if queue.hide(entry.receipt_handle, entry.visibility_timeout):
                hidden.append(wire.Settled(entry.id))
            else:
                text = "The message is not in flight, or the receipt is not its newest."
                refused.append(wire.Refused(entry.id, "ReceiptHandleIsInvalid", sender_fault=True, message=text))
        return wire.BatchAnswer(hidden, refused)

    def _poll(self, request: wire.ReceiveMessage, respond: Respond, is_wanted: Callable[[], bool]) -> None:
        def answer(messages: Sequence[Message] | None) -> None:
            if messages is None:
                respond(400, _does_not_exist().answer)
            else:
                respond(200, wire.Messages([_received(message, request) for message in messages]))

        poll = Poll(request.max_number_of_messages, request.visibility_timeout, answer, is_wanted)
        self._queue("ReceiveMessage", request).poll(poll, request.wait_time_seconds)


def _received(message: Message, request: wire.ReceiveMessage) -> wire.Received:
    received = wire.Received(message.id, message.receipt, message.body, message.md5)
    if request.message_system_attribute_names:
        received.attributes = {
            "ApproximateReceiveCount": str(message.receive_count),
            "SentTimestamp": str(message.sent_at_ms),
        }
    if request.message_attribute_names:
        received.message_attributes = message.attributes
    return received


def _check_count(entries: Sequence[object]) -> None:
    if not 1 <= len(entries) <= _BATCH_ENTRIES:
        raise Refusal("TooManyEntriesInBatchRequest", f"expected 1 to {_BATCH_ENTRIES} entries, got {len(entries)}")


def _does_not_exist() -> Refusal:
    return Refusal("QueueDoesNotExist", "The specified queue does not exist.")
