"""A strict stand-in for Amazon SQS in memory: it has the hard edges that emulators leave out, and faults on demand.

Strict as the SQS API Reference is: at most 10 entries and 1 MiB a batch, ids used once, at most 10 attributes, refused
characters, and receipts that expire when their message has become visible again. Receives never wait.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from botocore.exceptions import ClientError, EndpointConnectionError
from mypy_boto3_sqs import SQSClient

from pipeline.text import clean

URL = "http://sqs.test/000000000000/posts"
DEAD_LETTERS_URL = URL + "-dlq"
_LIMIT = 1_048_576

#: What an entry fails with: the code and whether it is the sender's fault.
EntryFault = tuple[str, bool]


class FakeClock:
    """A clock that tests set forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class StoredMessage:
    """A message as the queue has it."""

    id: str
    body: str
    attributes: dict[str, Any]
    visible_at: float
    receives: int = 0
    receipt: str | None = None


@dataclass
class _Script:
    """Faults to come. Each is asked at every call or entry and gives None where nothing is to fail."""

    outage: bool = False
    of_call: Callable[[str, Mapping[str, Any]], Exception | None] = lambda _operation, _request: None
    of_entry: Callable[[str, Mapping[str, Any]], EntryFault | None] = lambda _operation, _entry: None
    gate: threading.Event = field(default_factory=threading.Event)


class FakeSqs:
    """Queues that exist as soon as they are named. ``calls`` has each request in order, those that failed too."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.faults = _Script()
        self.faults.gate.set()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.held_at_gate = 0
        self.queues: dict[str, list[StoredMessage]] = {}
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._numbers: Counter[str] = Counter()

    @property
    def client(self) -> SQSClient:
        """Itself, under the type that callers ask for."""
        return cast(SQSClient, self)

    def bodies(self, url: str = URL) -> list[str]:
        """What lies in the queue, visible or not."""
        with self._lock:
            return [message.body for message in self.queues.get(url, [])]

    def visible(self, url: str = URL) -> list[str]:
        """The bodies that a receive would give now."""
        with self._lock:
            return [message.body for message in self.queues.get(url, []) if message.visible_at <= self.clock()]

    def add(self, *bodies: str, url: str = URL, attributes: Mapping[str, str] | None = None) -> None:
        """Puts messages into the queue, past all faults."""
        given = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
        with self._lock:
            for body in bodies:
                self._store(url, {"MessageBody": body, "MessageAttributes": given})

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """The requests of one operation so far."""
        with self._lock:
            return [request for name, request in self.calls if name == operation]

    def batches(self) -> list[list[str]]:
        """The bodies of each batch that was sent, accepted or not."""
        return [[entry["MessageBody"] for entry in each["Entries"]] for each in self.requests("send_message_batch")]

    def wait_for_calls(self, operation: str, count: int, seconds: float = 5.0) -> None:
        """Returns once so many requests of the operation have come in."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests(operation)) >= count, seconds):
                raise TimeoutError(f"expected {count} calls of {operation}, got {len(self.requests(operation))}")

    def wait_for_a_call_at_the_gate(self, seconds: float = 5.0) -> None:
        """Returns once a call is held up by the gate, which must be closed."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.held_at_gate, seconds):
                raise TimeoutError("expected a call at the gate")

    # what boto3's client has, as far as the pipeline calls it

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        self._called("get_queue_attributes", request)
        return {"Attributes": {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:posts"}}

    def send_message(self, **request: Any) -> dict[str, Any]:
        self._called("send_message", request)
        with self._lock:
            _check_size("MessageTooLong", [request])
            if code := _refusal(request):
                raise client_error(code)
            return {"MessageId": self._store(request["QueueUrl"], request)}

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        self._called("send_message_batch", request)
        _check_entries(request["Entries"])
        _check_size("BatchRequestTooLong", request["Entries"])
        return self._each("send_message_batch", request, self._send)

    def receive_message(self, **request: Any) -> dict[str, Any]:
        self._called("receive_message", request)
        received: list[dict[str, Any]] = []
        with self._lock:
            for message in self.queues.get(request["QueueUrl"], []):
                if message.visible_at <= self.clock() and len(received) < request["MaxNumberOfMessages"]:
                    message.receives += 1
                    message.receipt = self._next("receipt")
                    message.visible_at = self.clock() + request["VisibilityTimeout"]
                    received.append(
                        {
                            "MessageId": message.id,
                            "Body": message.body,
                            "ReceiptHandle": message.receipt,
                            "Attributes": {"ApproximateReceiveCount": str(message.receives)},
                            "MessageAttributes": message.attributes,
                        }
                    )
        return {"Messages": received} if received else {}

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        self._called("delete_message_batch", request)
        _check_entries(request["Entries"])
        return self._each("delete_message_batch", request, self._delete)

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        self._called("change_message_visibility_batch", request)
        _check_entries(request["Entries"])
        return self._each("change_message_visibility_batch", request, self._change_visibility)

    def _called(self, operation: str, request: dict[str, Any]) -> None:
        with self._changed:
            self.calls.append((operation, request))
            self._changed.notify_all()
        if not self.faults.gate.is_set():
            with self._changed:
                self.held_at_gate += 1
                self._changed.notify_all()
            self.faults.gate.wait()
        if self.faults.outage:
            raise EndpointConnectionError(endpoint_url=URL)
        if error := self.faults.of_call(operation, request):
            raise error

    def _each(
        self, operation: str, request: Mapping[str, Any], act: Callable[[str, Mapping[str, Any]], EntryFault | None]
    ) -> dict[str, Any]:
        successful: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        with self._lock:
            for entry in request["Entries"]:
                fault = self.faults.of_entry(operation, entry) or act(request["QueueUrl"], entry)
                if fault:
                    failed.append(
                        {"Id": entry["Id"], "Code": fault[0], "SenderFault": fault[1], "Message": f"{fault[0]} it is"}
                    )
                else:
                    successful.append({"Id": entry["Id"]})
        return {"Successful": successful} | ({"Failed": failed} if failed else {})

    def _send(self, url: str, entry: Mapping[str, Any]) -> EntryFault | None:
        if code := _refusal(entry):
            return code, True
        self._store(url, entry)
        return None

    def _delete(self, url: str, entry: Mapping[str, Any]) -> EntryFault | None:
        if not (message := self._held(url, entry)):
            return "ReceiptHandleIsInvalid", True
        self.queues[url].remove(message)
        return None

    def _change_visibility(self, url: str, entry: Mapping[str, Any]) -> EntryFault | None:
        if not (message := self._held(url, entry)):
            return "MessageNotInflight", True
        message.visible_at = self.clock() + entry["VisibilityTimeout"]
        return None

    def _held(self, url: str, entry: Mapping[str, Any]) -> StoredMessage | None:
        for message in self.queues.get(url, []):
            if message.receipt == entry["ReceiptHandle"] and message.visible_at > self.clock():
                return message
        return None

    def _store(self, url: str, entry: Mapping[str, Any]) -> str:
        visible_at = self.clock() + entry.get("DelaySeconds", 0)
        message = StoredMessage(
            self._next("message"), entry["MessageBody"], dict(entry.get("MessageAttributes", {})), visible_at
        )
        self.queues.setdefault(url, []).append(message)
        return message.id

    def _next(self, what: str) -> str:
        self._numbers[what] += 1
        return f"{what}-{self._numbers[what]}"


def client_error(code: str) -> ClientError:
    """The error that boto3 raises for a request that SQS turned down."""
    return ClientError({"Error": {"Code": code, "Message": f"{code} it is"}}, "SendMessageBatch")


def _check_entries(entries: Sequence[Mapping[str, Any]]) -> None:
    if not entries:
        raise client_error("AWS.SimpleQueueService.EmptyBatchRequest")
    if len(entries) > 10:
        raise client_error("AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
    if len({entry["Id"] for entry in entries}) < len(entries):
        raise client_error("AWS.SimpleQueueService.BatchEntryIdsNotDistinct")


def _check_size(code: str, entries: Sequence[Mapping[str, Any]]) -> None:
    size = 0
    for entry in entries:
        size += len(entry["MessageBody"].encode())
        for name, value in entry.get("MessageAttributes", {}).items():
            size += len((name + value["DataType"] + value["StringValue"]).encode())
    if size > _LIMIT:
        raise client_error(f"AWS.SimpleQueueService.{code}")


def _refusal(entry: Mapping[str, Any]) -> str | None:
    attributes = entry.get("MessageAttributes", {})
    values = [value["StringValue"] for value in attributes.values()]
    if any(clean(text) != text for text in [entry["MessageBody"], *values]):
        return "InvalidMessageContents"
    if not entry["MessageBody"] or len(attributes) > 10 or not all(values):
        return "InvalidParameterValue"
    return None
