"""What was promised, held against what the stand-in's ledger says: raises Broken as soon as a promise is broken.

The ledger tells what became of each message; ``network`` tells how each call went, ``service`` and ``worker`` what was
done to whom and what an owner said. From these alone follows whether a message may come again, may be deleted and may
lie in the dead letters. Nothing is asked of the reader or the writer under test.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline.acceptance import Acceptance
from pipeline.errors import Unsendable, WriterCrashed
from pipeline.received_message import ReceivedMessage
from tests.properties.posts import Kind, Post, read_alert, read_post
from tests.support.strict_sqs import Ledger, What
from tests.support.strict_sqs.ledger import Entry

POSTS, DEAD_LETTERS, ALERTS = "posts", "posts-dlq", "alerts"
#: Failures in a row after which a message may come again: the heartbeat tries so often at least, a deletion six times.
_HIDES, _DELETIONS = 4, 6
#: Milliseconds from its receive after which a reader need not keep a message hidden: 12 h less a minute.
_LONGEST_CLAIM_MS = (12 * 3600 - 61) * 1000
#: Milliseconds from a receive's effect after which its answer has arrived.
_HEARD_OF_MS = 1000


class Broken(AssertionError):
    """A promise of reader or writer was broken."""


@dataclass(eq=False)
class Holder:
    """What the books know of one process. ``done``: its deletions that are to come, and how often each failed."""

    name: str
    stopping: bool = False
    dead: bool = False
    in_hand: dict[str, str] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    not_taken: dict[str, int] = field(default_factory=dict)
    puts: dict[str, Acceptance] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


@dataclass(eq=False)
class Fate:
    """What has become of one post. ``excuse``: why it may come again; empty when it must not."""

    post: Post
    message_id: str
    receives: int = 0
    holder: Holder | None = None
    received_ms: int = 0
    hidden_until_ms: int = 0
    excuse: str = ""
    let_go_by: int = 0
    failed_hides: int = 0
    handled: bool = False
    may_be_dead: bool = False
    letters: int = 0
    alerts: Counter[int] = field(default_factory=Counter)
    done_by: list[Holder] = field(default_factory=list)
    deleted: bool = False
    lost_by_operator: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything that it leads to has been accepted."""
        if self.post.kind.belongs_in_dead_letters:
            return self.letters > 0
        return self.handled and all(self.alerts[index] for index in range(self.post.kind.alerts))


class Books:
    """``visibility`` is the seconds for which each receive hides a message."""

    def __init__(self, ledger: Ledger, now_ms: Callable[[], int], visibility: int) -> None:
        self.fates: dict[str, Fate] = {}
        self._ledger = ledger
        self._now_ms = now_ms
        self._visibility_ms = visibility * 1000
        self._read = 0
        self._by_number: dict[int, Fate] = {}
        self._by_receipt: dict[str, Fate] = {}
        self._refused: Counter[tuple[str, str]] = Counter()
        self._accepted: Counter[str] = Counter()
        self._may_be_sent_again: set[str] = set()
        self._unclaimed: list[Fate] = []

    # what the test does

    def sent(self, message_id: str, post: Post) -> None:
        fate = Fate(post, message_id)
        self.fates[message_id] = self._by_number[post.number] = fate

    def excuse_all_of(self, holder: Holder, excuse: str) -> None:
        """What the process holds may come again."""
        for fate in self.fates.values():
            if fate.holder is holder:
                fate.excuse = fate.excuse or excuse

    # what the network saw

    def receive_answered(self, holder: Holder, messages: Sequence[Mapping[str, Any]]) -> None:
        self.read()
        self._unclaimed.clear()
        for message in messages:
            id_ = message["MessageId"]
            self.fates[id_].holder = holder
            if id_ not in holder.in_hand and id_ not in holder.done:
                holder.not_taken[id_] = len(message["Body"])

    def receive_failed(self) -> None:
        self.read()
        for fate in self._unclaimed:
            fate.excuse = "the answer of its receive was lost"
        self._unclaimed.clear()

    def hide_answered(self, holder: Holder, receipts: Sequence[str], failed: Mapping[int, Mapping[str, Any]]) -> None:
        """``failed`` has the entries that failed, by their places; those of a call that failed have no code."""
        self.read()
        for place, receipt in enumerate(receipts):
            fate = self._by_receipt[receipt]
            failure = failed.get(place)
            if failure is None:
                fate.failed_hides = 0
            elif self._is_refusal(failure):
                self._count_refusal("hidden", receipt)
            else:
                fate.failed_hides += 1
                if fate.failed_hides >= _HIDES:
                    fate.excuse = fate.excuse or "hiding it failed too often"

    def delete_answered(self, holder: Holder, receipts: Sequence[str], failed: Mapping[int, Mapping[str, Any]]) -> None:
        self.read()
        for place, receipt in enumerate(receipts):
            fate = self._by_receipt[receipt]
            id_ = fate.message_id
            failure = failed.get(place)
            if failure is None:
                if not fate.deleted:
                    # SQS says so of older receipts, and deletes nothing
                    holder.done.pop(id_, None)
                    fate.excuse = fate.excuse or "deleting it by an older receipt had no effect"
            elif not failure:
                continue  # the call as a whole: tried again for ever
            elif self._is_refusal(failure):
                self._count_refusal("deleted", receipt)
                holder.done.pop(id_, None)
                if fate.receives == int(receipt.rpartition("-")[2]):
                    fate.excuse = fate.excuse or "deleting it was refused"
            elif id_ in holder.done:
                holder.done[id_] += 1
                if holder.done[id_] >= _DELETIONS:
                    del holder.done[id_]
                    fate.excuse = fate.excuse or "deleting it failed too often"

    def send_answered(self, bodies: Sequence[str], failed: Iterable[int]) -> None:
        self.read()
        self._may_be_sent_again.update(bodies[place] for place in failed)

    # what the owners say and hear

    def taken(self, holder: Holder, messages: Sequence[ReceivedMessage]) -> None:
        for message in messages:
            number = self.fates[message.id].post.number
            if message.id in holder.in_hand:
                raise Broken(f"post {number} was handed out a second time while {holder.name} has it in hand")
            if message.id in holder.done:
                raise Broken(f"post {number} was handed out again before {holder.name} had tried to delete it")
            holder.in_hand[message.id] = message.receipt_handle
            holder.not_taken.pop(message.id, None)

    def has_in_hand(self, holder: Holder, message: ReceivedMessage) -> bool:
        return holder.in_hand.get(message.id) == message.receipt_handle

    def buffered(self, holder: Holder) -> list[int]:
        """The sizes of what the process has received, nobody was given yet, and it still may keep."""
        now = self._now_ms()
        fates = [(self.fates[id_], size) for id_, size in holder.not_taken.items()]
        return [
            size for fate, size in fates if fate.holder is holder and fate.hidden_until_ms > now and not fate.excuse
        ]

    @contextmanager
    def letting_go(self, holder: Holder, messages: Sequence[ReceivedMessage], why: str) -> Iterator[None]:
        """Within it an owner gives up messages; one that arrives again meanwhile may be given up with the rest."""
        fates = [self.fates[message.id] for message in messages if self.has_in_hand(holder, message)]
        for fate in fates:
            del holder.in_hand[fate.message_id]
            fate.let_go_by += 1
        yield
        for fate in fates:
            fate.let_go_by -= 1
            fate.excuse = fate.excuse or why

    def handled(self, holder: Holder, messages: Sequence[ReceivedMessage]) -> None:
        for message in messages:
            if self.has_in_hand(holder, message):
                del holder.in_hand[message.id]
                holder.done[message.id] = 0
                fate = self.fates[message.id]
                fate.handled = True
                fate.done_by.append(holder)

    def may_be_dead(self, holder: Holder, message: ReceivedMessage) -> None:
        if self.has_in_hand(holder, message):
            self.fates[message.id].may_be_dead = True

    def must_be_given_back(self, holder: Holder, message: ReceivedMessage) -> bool:
        """Whether it is hidden by this delivery, or by a later one that the process must have heard of by now."""
        fate = self.fates[message.id]
        known = fate.receives == message.receive_count or (
            fate.holder is holder and self._now_ms() - fate.received_ms > _HEARD_OF_MS
        )
        return self.has_in_hand(holder, message) and not fate.excuse and known

    def check_given_back(self, message: ReceivedMessage, receives: int, delay: float) -> None:
        """Once it was given back: the message is to be had after the delay, if every call went well."""
        self.read()
        fate = self.fates[message.id]
        if fate.receives != receives or fate.failed_hides or fate.deleted or fate.lost_by_operator:
            return
        late = fate.hidden_until_ms - self._now_ms() - round(delay * 1000)
        if late > 0:
            raise Broken(f"post {fate.post.number} was given back for {delay} s, and stays hidden {late} ms longer")

    def told(self, holder: Holder, body: str, error: Exception | None) -> None:
        """An owner is told what became of its alert."""
        if holder.dead:
            return
        self.read()
        shown = body[:20]
        if body in holder.told:
            raise Broken(f"the owner of alert {shown} was told twice")
        holder.told.append(body)
        if error is None and not self._accepted[body]:
            raise Broken(f"the owner of alert {shown} was told that it was accepted, and it was not")
        kind = self._by_number[read_alert(body)[0]].post.kind
        if isinstance(error, Unsendable) and kind not in {Kind.TOO_LARGE, Kind.REFUSED}:
            raise Broken(f"the owner of alert {shown} was told that it cannot be sent: {error}")
        if error is not None and not isinstance(error, Unsendable) and not holder.stopping:
            raise Broken(f"the owner of alert {shown} was told {error!r}, and nobody closed the writer")
        if isinstance(error, WriterCrashed):
            raise Broken(f"the owner of alert {shown} was told {error!r}")

    # what the ledger says

    def read(self) -> None:
        """Reads on in the ledger."""
        entries = self._ledger.entries()
        new = entries[self._read :]
        self._read = len(entries)
        for entry in new:
            match entry.queue:
                case "posts":
                    self._read_of_posts(entry)
                case "posts-dlq":
                    self._read_of_dead_letters(entry)
                case _:
                    self._read_of_alerts(entry)

    def _read_of_posts(self, entry: Entry) -> None:
        if entry.what is What.ACCEPTED:
            return
        fate = self.fates[entry.message_id]
        match entry.what:
            case What.DELIVERED:
                self._check_delivery(fate, entry)
                fate.receives = entry.receives
                fate.received_ms = entry.at_ms
                fate.hidden_until_ms = entry.at_ms + self._visibility_ms
                fate.excuse = ""
                fate.failed_hides = 0
                self._by_receipt[entry.detail] = fate
                self._unclaimed.append(fate)
            case What.VISIBILITY_CHANGED:
                fate.hidden_until_ms = entry.at_ms + int(entry.detail) * 1000
                self._check_hiding(fate, entry)
            case What.DELETED:
                self._check_deletion(fate)
                fate.deleted = True
                self._forget(fate)
            case What.PURGED | What.DROPPED:
                fate.lost_by_operator = True
                self._forget(fate)
            case _:
                raise Broken(f"post {fate.post.number} was {entry.what} after {entry.receives} receives")

    def _read_of_dead_letters(self, entry: Entry) -> None:
        if entry.what is not What.ACCEPTED:
            return
        number, kind = read_post(entry.detail)
        fate = self._by_number[number]
        if not kind.belongs_in_dead_letters or not fate.may_be_dead:
            raise Broken(f"post {number} ({kind}) went to the dead letters, and no owner said so")
        fate.letters += 1

    def _read_of_alerts(self, entry: Entry) -> None:
        if entry.what is not What.ACCEPTED:
            return
        self._accepted[entry.detail] += 1
        if self._accepted[entry.detail] > 1 and entry.detail not in self._may_be_sent_again:
            raise Broken(f"alert {entry.detail[:20]} was sent again though it had been accepted")
        number, index = read_alert(entry.detail)
        self._by_number[number].alerts[index] += 1

    def _check_delivery(self, fate: Fate, entry: Entry) -> None:
        if not fate.receives or fate.excuse or fate.let_go_by or entry.at_ms < fate.hidden_until_ms:
            return  # before its time is over it can come by SQS's own doing only
        holder = fate.holder
        if holder is None or holder.dead or holder.stopping or entry.at_ms >= fate.received_ms + _LONGEST_CLAIM_MS:
            return
        raise Broken(
            f"post {fate.post.number} was received a {entry.receives}. time: {holder.name} let its claim run out "
            f"{entry.at_ms - fate.hidden_until_ms} ms before"
        )

    def _check_hiding(self, fate: Fate, entry: Entry) -> None:
        holder = fate.holder
        if entry.detail == "0" and holder and not holder.stopping and entry.message_id in holder.in_hand:
            raise Broken(f"post {fate.post.number} was made visible while its owner in {holder.name} works on it")

    def _check_deletion(self, fate: Fate) -> None:
        if not fate.complete:
            raise Broken(
                f"post {fate.post.number} ({fate.post.kind}) was deleted before everything it leads to was accepted: "
                f"handled: {fate.handled}, alerts: {dict(fate.alerts)}, dead letters: {fate.letters}"
            )

    def _forget(self, fate: Fate) -> None:
        """The message is gone: nobody has to delete it, or has it buffered."""
        for holder in fate.done_by:
            holder.done.pop(fate.message_id, None)
        if fate.holder:
            fate.holder.not_taken.pop(fate.message_id, None)

    def _count_refusal(self, what: str, receipt: str) -> None:
        self._refused[what, receipt] += 1
        if self._refused[what, receipt] > 2:  # two threads may be under way with it at a time
            number = self._by_receipt[receipt].post.number
            raise Broken(f"an expired receipt of post {number} was {what} again and again")

    @staticmethod
    def _is_refusal(failure: Mapping[str, Any]) -> bool:
        return bool(failure.get("SenderFault")) and "Throttl" not in failure["Code"]
