"""The way from one process to its queues: calls take time, and the process may be killed before and after the effect.

Every call is held against SQS's bounds, and what came of it goes into the books.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from pipeline.sqs_rules import BATCH_BYTES, BATCH_ENTRIES
from tests.properties.books import Books, Broken, Holder
from tests.properties.scheduler import Scheduler
from tests.support.strict_sqs import StrictSqs
from tests.support.strict_sqs.message_rules import payload_size

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Seconds until a client gives up waiting for an answer (pipeline.aws).
_READ_TIMEOUT = 15.0
#: Seconds from which on a call is so slow that others come too late.
_SLOW = 1.0
#: How a call's way takes its time, in seconds; of each the same chance.
_WAYS = (None, 0.0, 0.0, 0.0, 0.003, 0.02, 0.2, 0.45)


class Network:
    """The part of boto3's client that reader and writer use, for one process; ``check`` precedes each receive."""

    def __init__(
        self, sqs: StrictSqs, scheduler: Scheduler, books: Books, holder: Holder, check: Callable[[], None]
    ) -> None:
        self._sqs: Any = sqs.client
        self._scheduler = scheduler
        self._books = books
        self._holder = holder
        self._check = check

    @property
    def client(self) -> "SQSClient":
        """Itself, under the type that callers ask for."""
        return cast("SQSClient", self)

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        return self._call("get_queue_attributes", self._sqs.get_queue_attributes, request, lambda _answer, _error: None)

    def receive_message(self, **request: Any) -> dict[str, Any]:
        self._check()

        def tell(answer: Mapping[str, Any], error: Exception | None) -> None:
            if error:
                self._books.receive_failed()
            else:
                self._books.receive_answered(self._holder, answer.get("Messages", ()))

        return self._call("receive_message", self._sqs.receive_message, request, tell)

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        receipts = self._receipts(request)
        began = self._scheduler()

        def tell(answer: Mapping[str, Any], error: Exception | None) -> None:
            self._books.hide_answered(self._holder, receipts, _failed(answer, error, len(receipts)))

        try:
            return self._call(
                "change_message_visibility_batch", self._sqs.change_message_visibility_batch, request, tell
            )
        finally:
            if self._scheduler() - began >= _SLOW:
                self._books.excuse_all_of(self._holder, "a call that hides messages was slow")

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        receipts = self._receipts(request)

        def tell(answer: Mapping[str, Any], error: Exception | None) -> None:
            self._books.delete_answered(self._holder, receipts, _failed(answer, error, len(receipts)))

        return self._call("delete_message_batch", self._sqs.delete_message_batch, request, tell)

    def send_message(self, **request: Any) -> dict[str, Any]:
        return self._call("send_message", self._sqs.send_message, request, lambda _answer, _error: self._books.read())

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        entries = request["Entries"]
        size = sum(payload_size(entry) for entry in entries)
        if not 1 <= len(entries) <= BATCH_ENTRIES or size > BATCH_BYTES:
            raise Broken(f"{self._holder.name} sends a batch of {len(entries)} messages and {size} bytes")
        bodies = [entry["MessageBody"] for entry in entries]

        def tell(answer: Mapping[str, Any], error: Exception | None) -> None:
            self._books.send_answered(bodies, _failed(answer, error, len(bodies)))

        return self._call("send_message_batch", self._sqs.send_message_batch, request, tell)

    def _receipts(self, request: Mapping[str, Any]) -> list[str]:
        receipts = [entry["ReceiptHandle"] for entry in request["Entries"]]
        if not 1 <= len(receipts) <= BATCH_ENTRIES:
            raise Broken(f"{self._holder.name} makes a call for {len(receipts)} receipts")
        return receipts

    def _call(
        self,
        what: str,
        act: Callable[..., dict[str, Any]],
        request: Mapping[str, Any],
        tell: Callable[[Mapping[str, Any], Exception | None], None],
    ) -> dict[str, Any]:
        if self._scheduler.current:
            self._scheduler.current.calls += 1
        self._travel()
        # from its effect until the books know of it nobody else has a turn
        try:
            answer = act(**request)
        except (BotoCoreError, ClientError) as error:
            self._scheduler.tell(what, _shown(request, {}), error)
            tell({}, error)
            if isinstance(error, ReadTimeoutError):
                self._scheduler.sleep(_READ_TIMEOUT)
            self._travel()
            raise
        self._scheduler.tell(what, _shown(request, answer))
        tell(answer, None)
        self._travel()
        return answer

    def _travel(self) -> None:
        seconds = _WAYS[int(self._scheduler.rng.random() * len(_WAYS))]
        if seconds:
            self._scheduler.sleep(seconds)
        elif seconds is not None:
            self._scheduler.end_turn()


def _failed(answer: Mapping[str, Any], error: Exception | None, count: int) -> dict[int, Mapping[str, Any]]:
    """The entries that failed, by their places: those of a call that failed have no code."""
    if error:
        return {place: {} for place in range(count)}
    failed: Sequence[Mapping[str, Any]] = answer.get("Failed", ())
    return {int(entry["Id"]): entry for entry in failed}


def _shown(request: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """What a call was about and what failed of it, in short."""
    entries = request.get("Entries", ())
    about = [
        *(f"{entry['ReceiptHandle']}{_timeout(entry)}" for entry in entries if "ReceiptHandle" in entry),
        *(entry["MessageBody"][:12] for entry in entries if "MessageBody" in entry),
        *(f"{message['ReceiptHandle']}={message['Body'][:12]}" for message in answer.get("Messages", ())),
    ]
    failed = {entry["Id"]: entry["Code"] for entry in answer.get("Failed", ())}
    return f"{' '.join(about)} {failed or ''}"


def _timeout(entry: Mapping[str, Any]) -> str:
    return f"/{entry['VisibilityTimeout']}" if "VisibilityTimeout" in entry else ""
