"""`dead-letters redrive`: chosen messages go back to the queue that they come from.

A batch is sent, and those of it that the queue has accepted are deleted from the dead letters. What was not accepted
stays where it is, and is told with the queue's own reason.

A redriven message keeps its body and its attributes, the trace id among them. Only what said why it was here is taken
off (whoever gives it up again says so anew), and ``redriven`` counts one more.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws_errors import may_pass
from pipeline.dead_lettering import REASON, SERVICE, SOURCE_MESSAGE_ID
from pipeline.dead_letters.letter import MOST_REDRIVEN, REDRIVEN, DeadLetter
from pipeline.dead_letters.look import Look
from pipeline.dead_letters.pace import Pace
from pipeline.dead_letters.selection import Chosen
from pipeline.dead_letters.tries import EntryError, Tries
from pipeline.sqs_rules import ATTRIBUTES, BATCH_BYTES, BATCH_ENTRIES, is_refusal

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: The header of AWS X-Ray is the one system attribute that a sender may set (SQS API Reference: SendMessageBatch).
_X_RAY = "AWSTraceHeader"


@dataclass
class Tally:
    """What a run has done so far: right at any moment, whatever ends it.

    ``accepted`` is what the queue has accepted, ``refused`` what it has not, by its reason. Of those accepted,
    ``not_deleted`` still lie in the dead letters too. ``in_doubt`` are those whose sending has had no answer (yet).
    """

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    not_deleted: int = 0
    in_doubt: int = 0

    def __str__(self) -> str:
        refused = self.refused.total()
        return f"redriven {self.accepted:,}" + (f", failed {refused:,}" if refused else "")


class Redrive:
    """Sends batches of chosen messages to ``queue_url``, at a pace."""

    def __init__(self, sqs: "SQSClient", tries: Tries, queue_url: str, look: Look, pace: Pace, tally: Tally) -> None:
        self._sqs = sqs
        self._tries = tries
        self._queue_url = queue_url
        self._look = look
        self._pace = pace
        self._tally = tally
        self._undeleted: list[DeadLetter] = []

    def run(self, chosen: Chosen, size: int = BATCH_ENTRIES) -> Iterator[None]:
        """Yields after each receive, for progress; ``size`` (1 to 10) is that of a batch. Raises botocore's errors."""
        for letters in chosen.batches(size):
            for batch in batches_within_bounds([(letter, redriven_entry(letter)) for letter in letters]):
                if not self._pace.wait():
                    return
                self._send(batch)
                self._pace.went(len(batch))
            yield

    def finish(self) -> None:
        """Tries once more to delete what was sent. Call it at the end, whatever happened."""
        left, self._undeleted = self._undeleted, []
        for start in range(0, len(left), BATCH_ENTRIES):
            self._delete(left[start : start + BATCH_ENTRIES])

    def _send(self, batch: "Sequence[_Outgoing]") -> None:
        self._tally.in_doubt = len(batch)
        try:
            failed = self._tries.batch(self._sqs.send_message_batch, self._queue_url, [entry for _, entry in batch])
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and not may_pass(error):
                self._tally.in_doubt = 0  # it was turned down
            if not is_refusal(error):
                raise
            if len(batch) > 1:
                for one in batch:  # it may be one of them that the whole batch is refused for
                    self._send([one])
                return
            failed = {0: EntryError(str(error), final=True)}
        accepted = [letter for index, (letter, _) in enumerate(batch) if index not in failed]
        self._tally.in_doubt = 0
        self._tally.accepted += len(accepted)
        self._tally.not_deleted += len(accepted)
        self._tally.refused.update(error.reason for error in failed.values())
        self._delete(accepted)

    def _delete(self, accepted: Sequence[DeadLetter]) -> None:
        """At the time of the call all of them are counted as not deleted."""
        if not accepted:
            return
        failed = self._look.delete(accepted)
        self._undeleted += failed
        self._tally.not_deleted -= len(accepted) - len(failed)


_Outgoing = tuple[DeadLetter, dict[str, Any]]


def redriven_entry(letter: DeadLetter) -> dict[str, Any]:
    """The message as it goes back, for SendMessageBatch.

    Where SQS' bounds (10 attributes, 1 MiB) leave no room for ``redriven``, it goes without.
    """
    kept = {
        name: {key: value for key, value in attribute.items() if key in ("DataType", "StringValue", "BinaryValue")}
        for name, attribute in letter.attributes.items()
        if name not in (REASON, SERVICE, SOURCE_MESSAGE_ID)
    }
    count = {"DataType": "String", "StringValue": str(min(letter.redriven + 1, MOST_REDRIVEN))}
    counted = kept | {REDRIVEN: count}
    if len(counted) <= ATTRIBUTES and _size(letter.body, counted) <= BATCH_BYTES:
        kept = counted
    entry: dict[str, Any] = {"MessageBody": letter.body}
    if kept:
        entry["MessageAttributes"] = kept
    if _X_RAY in letter.system:
        header = {"DataType": "String", "StringValue": letter.system[_X_RAY]}
        entry["MessageSystemAttributes"] = {_X_RAY: header}
    return entry


def batches_within_bounds(outgoing: Sequence[_Outgoing]) -> Iterator[list[_Outgoing]]:
    """The same messages in the same order, in as many batches as the bytes of a request call for."""
    batch: list[_Outgoing] = []
    size = 0
    for letter, entry in outgoing:
        more = _size(entry["MessageBody"], entry.get("MessageAttributes", {}))
        if batch and size + more > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append((letter, entry))
        size += more
    if batch:
        yield batch


def _size(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """As SQS counts: the body, and each attribute's name, type and value."""
    return len(body.encode()) + sum(
        len(name.encode())
        + len(attribute["DataType"].encode())
        + len(attribute.get("StringValue", "").encode())
        + len(attribute.get("BinaryValue", b""))
        for name, attribute in attributes.items()
    )
