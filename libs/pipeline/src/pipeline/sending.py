"""One request of a writer, and what its answer means for each of its messages (SQS API Reference)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.outgoing import Outgoing
from pipeline.sqs_rules import is_denied, is_refusal, is_refusing_code, string_attributes

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(slots=True)
class Answer:
    """Each message of the request is in exactly one of the lists.

    ``failed`` ones are tried again, each by itself. ``put_back`` has all of them where the call failed as a whole, and
    ``suspects`` where it was refused as a whole, which one of them may be the cause of. ``reason`` tells of the first
    failure that is no refusal.
    """

    accepted: list[Outgoing] = field(default_factory=list)
    unsendable: list[tuple[Outgoing, str]] = field(default_factory=list)
    failed: list[Outgoing] = field(default_factory=list)
    put_back: Sequence[Outgoing] = ()
    suspects: Sequence[Outgoing] = ()
    reason: str = ""

    @property
    def queue_works(self) -> bool | None:
        """Whether sending other messages now is of use; None where the answer says nothing about that.

        It is once the queue has judged a message, for or against. It is not when the call failed, nor when every
        message failed, one at its first try among them. Messages that have failed before say nothing: the trouble may
        be their own, and must not hold up others.
        """
        if self.accepted or self.unsendable:
            return True
        if self.put_back or any(message.backoff is None for message in self.failed):
            return False
        return None


def reach(sqs: "SQSClient", queue_url: str) -> str | None:
    """Asks whether the queue is there; what is in the way, or None. Being denied is an answer of the queue."""
    try:
        sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    except (BotoCoreError, ClientError) as error:
        return None if is_denied(error) else str(error)
    return None


def send(sqs: "SQSClient", queue_url: str, batch: Sequence[Outgoing]) -> Answer:
    """Sends the batch once.

    Never raises for what the queue or the network does. An answer that was lost (a time-out, a broken connection)
    looks as a call that failed, and its messages may be in the queue already: they are sent again, for twice is better
    than never.
    """
    try:
        response = sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[_entry(str(index), message) for index, message in enumerate(batch)],  # type: ignore[misc]
        )
    except (BotoCoreError, ClientError) as error:
        if not is_refusal(error):
            return Answer(put_back=batch, reason=str(error))
        if len(batch) > 1:
            return Answer(suspects=batch)
        return Answer(unsendable=[(batch[0], str(error))])
    return _answer(batch, response)


def _answer(batch: Sequence[Outgoing], response: Mapping[str, Any]) -> Answer:
    answer = Answer()
    unanswered = dict(enumerate(batch))
    for entry in response.get("Successful", ()):
        answer.accepted.append(unanswered.pop(int(entry["Id"])))
    for entry in response.get("Failed", ()):
        message = unanswered.pop(int(entry["Id"]))
        reason = entry.get("Message") or entry["Code"]
        if is_refusing_code(entry["Code"]):
            answer.unsendable.append((message, reason))
        else:
            answer.failed.append(message)
            answer.reason = answer.reason or reason
    if unanswered:
        answer.failed += unanswered.values()
        answer.reason = answer.reason or "no word about an entry"
    return answer


def _entry(id_: str, message: Outgoing) -> dict[str, Any]:
    entry: dict[str, Any] = {"Id": id_, "MessageBody": message.body}
    if message.attributes:
        entry["MessageAttributes"] = string_attributes(message.attributes)
    if message.delay_seconds:
        entry["DelaySeconds"] = message.delay_seconds
    return entry
