"""What a reader holds of its queue and until when, as bookkeeping alone: no I/O, no thread, the clock handed in.

SQS hides a received message for a while; that is the claim. A message is claimed from its receive until it is deleted
or released, and there is one claim for each MessageId however often SQS delivers it. From this follow the guarantees:

- Nothing is handed out twice while its first holder has it. What arrives again meanwhile renews its claim, with the
  new receipt, and goes no further.
- Nothing is done in the name of an owner that has let go. A released message that arrives again is a new delivery
  with a new claim, and its old delivery settles nothing any more.

A claim lapses when its time has run out or SQS refuses its receipt: others may have the message then. One that lies in
the buffer is dropped. One that an owner works on stays known, so that an arrival renews it and its deletion is still
tried: the work is done, and done once more is all that a redelivery would give.
"""

import heapq
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pipeline.received_message import ReceivedMessage

#: Seconds from its receive that SQS hides a message at most (SQS Developer Guide: "Amazon SQS visibility timeout").
LONGEST_CLAIM = 12 * 3600.0
#: Seconds by which our end of these is earlier than that of SQS, for two clocks and a call's way.
MARGIN = 60.0
#: Seconds of one prolongation at most (a longer visibility timeout aside): a killed process's messages wait so long.
LONGEST_PROLONGATION = 600.0


class Stage(Enum):
    """Where a claimed message is. DONE: its owner has deleted it, SQS not yet. GONE: it is claimed no more."""

    BUFFERED = "buffered"
    IN_HAND = "in hand"
    DONE = "done"
    GONE = "gone"


@dataclass(eq=False, slots=True)
class Claim:
    """One message. Others than Claims read of it; times are those of the clock handed in.

    ``delivery`` is the receipt with which the message was handed out, ``receipt`` the newest one. ``span`` is for how
    long it was hidden last. ``told``: its loss was counted.
    """

    id: str
    delivery: str
    receipt: str
    sent_at: float
    held_since: float
    received_at: float
    hidden_until: float
    due_at: float
    span: float
    stage: Stage = Stage.BUFFERED
    lapsed: bool = False
    told: bool = False
    prolonging: bool = False
    deletion_tries: int = 0


class Prolongation(NamedTuple):
    """Hide the claim's message for so many seconds from now, by this receipt."""

    claim: Claim
    receipt: str
    seconds: int


Buffered = tuple[ReceivedMessage, Claim]


class Claims:
    """All claims of one reader. Safe for several threads: each method takes the one lock once, also for many messages.

    ``visibility`` is the seconds for which a receive hides a message.
    """

    def __init__(self, visibility: float, clock: Callable[[], float]) -> None:
        self._visibility = visibility
        self._clock = clock
        self._lock = threading.Lock()
        self._claims: dict[str, Claim] = {}

    def admit(self, messages: Sequence[ReceivedMessage]) -> list[Buffered]:
        """Claims what was just received. Returned is what is new; the rest is held already, and its claim renewed."""
        new: list[Buffered] = []
        with self._lock:
            now = self._clock()
            hidden_until = now + self._visibility
            due_at = self._due_at(now, hidden_until, self._visibility)
            for message in messages:
                receipt = message.receipt_handle
                claim = self._claims.get(message.id)
                if claim is None:
                    claim = self._claims[message.id] = Claim(
                        message.id, receipt, receipt, message.sent_at, now, now, hidden_until, due_at, self._visibility
                    )
                    new.append((message, claim))
                else:
                    claim.receipt = receipt
                    claim.received_at = now
                    claim.hidden_until = hidden_until
                    claim.due_at = due_at
                    claim.span = self._visibility
                    claim.lapsed = claim.told = False
        return new

    def hand_out(self, buffered: Iterable[Buffered]) -> tuple[list[ReceivedMessage], int]:
        """Those that are still claimed, which are in hand from now on; and how many have run out in the buffer."""
        messages = []
        lost = 0
        with self._lock:
            now = self._clock()
            for message, claim in buffered:
                if claim.stage is not Stage.BUFFERED:
                    continue
                if claim.hidden_until > now:
                    claim.stage = Stage.IN_HAND
                    messages.append(message)
                else:
                    self._drop(claim)
                    lost += 1
        return messages, lost

    def done(self, messages: Iterable[ReceivedMessage]) -> list[Claim]:
        """Their owner is done with those of the messages that are in hand. They stay claimed until ``deleted``."""
        with self._lock:
            claims = self._in_hand(messages)
            for claim in claims:
                claim.stage = Stage.DONE
        return claims

    def release(self, messages: Iterable[ReceivedMessage]) -> list[Claim]:
        """Ends the claims on messages in hand. Returned are those that SQS still hides by what we know."""
        with self._lock:
            return self._released(self._in_hand(messages))

    def release_buffered(self, buffered: Iterable[Buffered]) -> list[Claim]:
        """As ``release``, of messages that nobody was given yet."""
        with self._lock:
            return self._released([claim for _, claim in buffered if claim.stage is Stage.BUFFERED])

    def release_all(self) -> list[Claim]:
        """As ``release``, of all that are buffered or in hand."""
        with self._lock:
            return self._released([claim for claim in self._claims.values() if claim.stage is not Stage.DONE])

    def is_in_hand(self, message: ReceivedMessage) -> bool:
        """Whether its owner still has this delivery of the message."""
        with self._lock:
            return bool(self._in_hand([message]))

    def is_held(self, message_id: str) -> bool:
        """Whether the message is claimed."""
        return message_id in self._claims

    def lapse(self) -> int:
        """Notices what has run out; how many losses that are to be told."""
        with self._lock:
            now = self._clock()
            return self._lose([claim for claim in self._claims.values() if claim.hidden_until <= now])

    def take_due(self, limit: int) -> list[Prolongation]:
        """What is to be prolonged now, up to ``limit``; each must be reported by one of the three methods that follow.

        Due is what has a third of its time left. Where any is due, the next ones fill the batch: they cost no call.
        The longer a message has been held, the longer it is hidden on: calls grow with the logarithm of the work's
        length (up to LONGEST_PROLONGATION), and work that ends within the visibility timeout mostly causes none.
        """
        with self._lock:
            now = self._clock()
            can_be = (c for c in self._claims.values() if not (c.lapsed or c.prolonging) and c.hidden_until > now)
            first = heapq.nsmallest(limit, can_be, key=lambda claim: claim.due_at)
            if not first or first[0].due_at > now:
                return []
            batch = []
            for claim in first:
                wanted = max(self._visibility, min(now - claim.held_since, LONGEST_PROLONGATION))
                seconds = int(min(wanted, claim.received_at + LONGEST_CLAIM - MARGIN - now))
                if now + seconds > claim.hidden_until:
                    claim.prolonging = True
                    batch.append(Prolongation(claim, claim.receipt, seconds))
                else:
                    claim.due_at = claim.hidden_until  # SQS' 12 hours are over then
            return batch

    def prolonged(self, batch: Iterable[Prolongation], called_at: float) -> None:
        """SQS has done as asked, at ``called_at`` at the earliest."""
        with self._lock:
            for claim, receipt, seconds in batch:
                claim.prolonging = False
                if claim.receipt == receipt:
                    claim.hidden_until = called_at + seconds
                    claim.span = seconds
                    claim.due_at = self._due_at(claim.received_at, claim.hidden_until, seconds)

    def not_prolonged(self, batch: Iterable[Prolongation]) -> None:
        """The call has failed, or SQS for a moment. In the time that is left it is tried three times more."""
        with self._lock:
            now = self._clock()
            for claim, receipt, _ in batch:
                claim.prolonging = False
                if claim.receipt == receipt:
                    claim.due_at = min(claim.hidden_until, now + claim.span / 12)

    def refused(self, batch: Iterable[Prolongation]) -> int:
        """SQS holds the receipts for nothing; how many losses that are to be told."""
        with self._lock:
            renewed_or_ours = []
            for claim, receipt, _ in batch:
                claim.prolonging = False
                # one that was settled while the call was under way is no loss, nor one that was renewed
                if claim.receipt == receipt and claim.stage is not Stage.GONE:
                    renewed_or_ours.append(claim)
            return self._lose(renewed_or_ours)

    def seconds_until_due(self) -> float:
        """Until something is to be prolonged or runs out; infinite with nothing claimed."""
        with self._lock:
            next_ = min((claim.due_at for claim in self._claims.values() if not claim.lapsed), default=float("inf"))
            return max(0.0, next_ - self._clock())

    def deleted(self, deletions: Iterable[tuple[Claim, str]]) -> list[Claim]:
        """SQS has deleted these by these receipts. Returned is what arrived again meanwhile: only its newest counts."""
        again = []
        with self._lock:
            for claim, receipt in deletions:
                if claim.receipt == receipt:
                    self._drop(claim)
                else:
                    again.append(claim)
        return again

    def undeletable(self, claims: Iterable[Claim]) -> int:
        """Gives up deleting these, which come again; how many losses that are to be told."""
        with self._lock:
            news = 0
            for claim in claims:
                self._drop(claim)
                news += not claim.told
            return news

    def oldest_sent_at(self) -> float | None:
        """When the oldest message that is buffered or in hand was sent, in UNIX seconds."""
        with self._lock:
            return min((c.sent_at for c in self._claims.values() if c.stage is not Stage.DONE), default=None)

    def _in_hand(self, messages: Iterable[ReceivedMessage]) -> list[Claim]:
        found = ((message, self._claims.get(message.id)) for message in messages)
        return [
            claim
            for message, claim in found
            if claim and claim.stage is Stage.IN_HAND and claim.delivery == message.receipt_handle
        ]

    def _released(self, claims: Sequence[Claim]) -> list[Claim]:
        for claim in claims:
            self._drop(claim)
        return [claim for claim in claims if not claim.lapsed]

    def _drop(self, claim: Claim) -> None:
        claim.stage = Stage.GONE
        del self._claims[claim.id]

    def _lose(self, claims: Iterable[Claim]) -> int:
        lost = 0
        for claim in claims:
            if claim.lapsed:
                continue
            claim.lapsed = True
            # a deletion that is under way explains a refusal; what becomes of it will tell
            if claim.stage is not Stage.DONE:
                claim.told = True
                lost += 1
            if claim.stage is Stage.BUFFERED:
                self._drop(claim)
        return lost

    @staticmethod
    def _due_at(received_at: float, hidden_until: float, span: float) -> float:
        is_last = hidden_until + 1 > received_at + LONGEST_CLAIM - MARGIN
        return hidden_until if is_last else hidden_until - span / 3
