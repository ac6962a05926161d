"""One pass over a dead-letter queue: every message once, hidden while the pass lasts, visible again at its end.

A receive of a standard queue is a sample (SQS Developer Guide: short and long polling), so that a pass polls until the
queue has brought nothing new several times in a row. What it has seen stays hidden meanwhile, or it would come again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.aws_errors import error_code
from pipeline.dead_letters.interruption import Interruption
from pipeline.dead_letters.letter import DeadLetter
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.tries import EntryError, Tries
from pipeline.recent_ids import RecentIds
from pipeline.sqs_rules import BATCH_ENTRIES

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Seconds that a poll waits for a message: one that waits asks all of SQS' servers and not only some.
POLL_SECONDS = 1
#: Polls in a row that bring nothing new, after which a queue counts as dry: once the pass has seen as many messages as
#: SQS counted at its start, and as long as it has not.
DRY_POLLS = 2
DRY_POLLS_WHILE_MISSING = 4
#: Messages that one pass holds at most: SQS lets 120,000 of a queue be in flight at a time, and others look too. Some
#: 700 bytes each, so that a pass stays below 100 MB.
MOST_HELD = 100_000
#: Deleted messages remembered, because SQS may deliver one once more.
_REMEMBERED = 100_000
#: Seconds that messages stay hidden if this process is killed: the fewer the better for a look at a few; the more
#: there are the longer, or to prolong their time would take all of it.
_SHORTEST_VISIBILITY = 30
_VISIBILITY_PER_MESSAGE = 0.02
LONGEST_VISIBILITY = 3600


class Ended(StrEnum):
    """Why a pass has ended."""

    DRY = "the queue brought nothing more"
    FULL = "as many messages are held as can be"
    STOPPED = "it was stopped before the queue was dry"


@dataclass(slots=True)
class _Held:
    receipt: str
    hidden_until: float  # by the pass's clock


class Look:
    """A pass over one queue, for one thread. Call ``give_back`` at its end, whatever happened.

    ``visibility`` is the seconds that messages are hidden for at a time; None for what suits their number. ``total`` is
    what SQS counted before.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        tries: Tries,
        queue: Queue,
        interruption: Interruption,
        clock: Callable[[], float],
        visibility: int | None = None,
        most_held: int = MOST_HELD,
    ) -> None:
        self._sqs = sqs
        self._tries = tries
        self._url = queue.url
        self._expected = queue.visible
        self.total = queue.count
        self._interruption = interruption
        self._clock = clock
        self.visibility = visibility or visibility_for(queue.count)
        self._most_held = most_held
        self._held: OrderedDict[str, _Held] = OrderedDict()  # in the order of hidden_until
        self._deleted = RecentIds(_REMEMBERED)
        self.looked_at = 0
        self.ended = Ended.STOPPED

    @property
    def held(self) -> int:
        """Messages that ``give_back`` is to make visible."""
        return len(self._held)

    def batches(self, size: int = BATCH_ENTRIES) -> Iterator[list[DeadLetter]]:
        """The messages, up to ``size`` (1 to 10) at a time, none of them twice; ``ended`` tells why there are no more.

        Raises botocore's errors. The caller may stop early.
        """
        dry = 0
        while dry < (DRY_POLLS if self.looked_at >= self._expected else DRY_POLLS_WHILE_MISSING):
            if self._interruption.stopped:
                return
            if len(self._held) >= self._most_held:
                self.ended = Ended.FULL
                return
            self._prolong()
            try:
                received = self._receive(size)
            except ClientError as error:
                if error_code(error).rpartition(".")[2] != "OverLimit":
                    raise
                self.ended = Ended.FULL
                return
            new = self._take(received)
            self.looked_at += len(new)
            dry = 0 if new else dry + 1
            if new:
                yield new
        self.ended = Ended.DRY

    def delete(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Deletes up to ten messages for good, by their latest receipts; those that could not be.

        These stay held. Raises nothing that botocore raises: a caller that has sent them must know of each.
        """
        entries = [{"ReceiptHandle": self._held[letter.id].receipt} for letter in letters]
        try:
            failed: Mapping[int, EntryError] = self._tries.batch(self._sqs.delete_message_batch, self._url, entries)
        except (BotoCoreError, ClientError) as error:
            failed = dict.fromkeys(range(len(letters)), EntryError(str(error), final=False))
        for index, letter in enumerate(letters):
            if index not in failed:
                del self._held[letter.id]
                self._deleted.add(letter.id)
        return [letters[index] for index in failed]

    def give_back(self) -> int:
        """Makes everything that is still held visible at once. How many could not be.

        Those are visible within ``visibility``. Raises nothing that botocore raises.
        """
        left = len(self._held)
        for tens in _tens(self._held.values()):
            try:
                failed = self._hide(tens, 0)
            except (BotoCoreError, ClientError):
                break
            # of a receipt that is no longer good the message is visible already, or somebody else's
            left -= len(tens) - sum(not error.final for error in failed.values())
        self._held.clear()
        return left

    def _receive(self, size: int) -> list[dict[str, Any]]:
        response = self._tries.call(
            self._sqs.receive_message,
            QueueUrl=self._url,
            MaxNumberOfMessages=size,
            WaitTimeSeconds=POLL_SECONDS,
            VisibilityTimeout=self.visibility,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = response.get("Messages", [])
        return messages

    def _take(self, received: Sequence[Mapping[str, Any]]) -> list[DeadLetter]:
        """Holds what was received; those that this pass has not seen."""
        new: dict[str, DeadLetter] = {}
        ghosts = []
        until = self._clock() + self.visibility
        for raw in received:
            id_, held = raw["MessageId"], _Held(raw["ReceiptHandle"], until)
            if id_ in self._deleted:
                ghosts.append({"ReceiptHandle": held.receipt})
                continue
            if id_ not in self._held:
                new[id_] = DeadLetter.of(raw)
            self._held[id_] = held
            self._held.move_to_end(id_)
        if ghosts:
            # a server of SQS that was away when the message was deleted (SQS API Reference: DeleteMessage)
            self._tries.batch(self._sqs.delete_message_batch, self._url, ghosts)
        return list(new.values())

    def _prolong(self) -> None:
        """Keeps hidden what has used half of its time. What that fails for comes again, and is known."""
        while due := self._due():
            self._hide([held for _, held in due], self.visibility)
            until = self._clock() + self.visibility
            for id_, held in due:
                held.hidden_until = until
                self._held.move_to_end(id_)

    def _due(self) -> list[tuple[str, _Held]]:
        limit = self._clock() + self.visibility / 2
        return [(id_, held) for id_, held in islice(self._held.items(), BATCH_ENTRIES) if held.hidden_until < limit]

    def _hide(self, some: Sequence[_Held], seconds: int) -> dict[int, EntryError]:
        entries = [{"ReceiptHandle": held.receipt, "VisibilityTimeout": seconds} for held in some]
        return self._tries.batch(self._sqs.change_message_visibility_batch, self._url, entries)


def visibility_for(messages: int) -> int:
    """Seconds that a pass over so many messages hides them for at a time."""
    return min(LONGEST_VISIBILITY, _SHORTEST_VISIBILITY + int(messages * _VISIBILITY_PER_MESSAGE))


def _tens(held: Sequence[_Held] | Any) -> Iterator[list[_Held]]:
    rest = iter(held)
    while ten := list(islice(rest, BATCH_ENTRIES)):
        yield ten
