"""A plan carried out: first what makes no gap, never more rules than the account may have, and an account of it all.

X changes rules by requests of which some may fail, and an answer may get lost. So what was done is never concluded from
answers: the rules are listed again at the end, and what they say counts.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.errors import Unavailable, UserMistake
from stream_getter.x.rules.api import BATCH, RulesApi, Verdicts
from stream_getter.x.rules.calls import CapExceeded
from stream_getter.x.rules.plan import Plan, Retag, RuleAtX
from stream_getter.x.rules.wanted import Wanted

#: Looks at the rules after changes, and seconds between them: X's list may be a moment behind.
LOOKS = 4
LOOK_SECONDS = 1.5

_T = TypeVar("_T")


@dataclass(slots=True)
class Outcome:
    """What was done of a plan, and what was not. ``trouble`` is what ended the work early, in one line.

    ``verified`` is False where X's list could not be had at the end: then nobody knows what was done. ``lost`` are
    those that were deleted to be added with another tag, and were not.
    """

    verified: bool = False
    trouble: str | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    added: list[Wanted] = field(default_factory=list)
    not_added: list[Wanted] = field(default_factory=list)
    deleted: list[RuleAtX] = field(default_factory=list)
    not_deleted: list[RuleAtX] = field(default_factory=list)
    retagged: list[Retag] = field(default_factory=list)
    not_retagged: list[Retag] = field(default_factory=list)
    lost: list[Retag] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all of it was done, and seen."""
        return self.verified and not (self.not_added or self.not_deleted or self.not_retagged)


class Application:
    """Carries out one plan. ``stopped`` is asked between two steps that need not be done together.

    ``room`` is how many more rules X has place for. ``pause`` waits, and returns False where a signal came.
    """

    def __init__(
        self, api: RulesApi, plan: Plan, room: int, stopped: Callable[[], bool], pause: Callable[[float], bool]
    ) -> None:
        self._api = api
        self._plan = plan
        self._room = room
        self._stopped = stopped
        self._pause = pause
        self._said = Verdicts()

    def run(self) -> Outcome:
        """Never raises for what X or the network does: it is told in the outcome."""
        outcome = Outcome()
        try:
            self._change()
        except (Unavailable, UserMistake) as error:
            outcome.trouble = str(error)
        outcome.reasons = self._said.refused
        self._verify(outcome)
        return outcome

    def _change(self) -> None:
        to_add, to_delete = deque(self._plan.add), deque(self._plan.delete)
        while (to_add or to_delete) and not self._stopped():
            if to_add and self._room > 0:
                self._add(to_add, to_delete)
            elif to_delete:
                # no more than have to make place: what is deleted delivers until then
                batch = _taken(to_delete, min(BATCH, len(to_add) or BATCH))
                self._api.delete(batch)
                self._room += len(batch)
            else:
                # by our count there is none, and X counts better
                self._room = len(to_add)
        retags = deque(self._plan.retag)
        while retags and not self._stopped():
            together = _taken(retags, BATCH)
            before, after = [retag.before for retag in together], [retag.after for retag in together]
            self._said.take(self._api.replace(before, after))

    def _add(self, to_add: deque[Wanted], to_delete: deque[RuleAtX]) -> None:
        batch = _taken(to_add, min(BATCH, self._room))
        try:
            said = self._api.add(batch)
        except CapExceeded:
            # the account has less room than was thought: how much, halves tell
            self._room = len(batch) // 2
            if not self._room and not to_delete:
                raise
            to_add.extendleft(reversed(batch))
        else:
            self._room -= len(said.accepted | said.existing)
            self._said.take(said)

    def _verify(self, outcome: Outcome) -> None:
        for look in range(LOOKS):
            try:
                rules = self._api.rules()
            except (Unavailable, UserMistake) as error:
                outcome.trouble = outcome.trouble or str(error)
                return
            self._compare(outcome, rules)
            if outcome.complete or outcome.trouble or self._said.refused or look + 1 == LOOKS:
                return
            if self._stopped() or not self._pause(LOOK_SECONDS):
                return

    def _compare(self, outcome: Outcome, rules: list[RuleAtX]) -> None:
        ids = {rule.id for rule in rules}
        there = {(rule.value.strip(), rule.tag) for rule in rules}
        outcome.verified = True
        outcome.added, outcome.not_added = _parted(self._plan.add, lambda rule: (rule.value, rule.tag) in there)
        outcome.deleted, outcome.not_deleted = _parted(self._plan.delete, lambda rule: rule.id not in ids)
        outcome.retagged, outcome.not_retagged = _parted(
            self._plan.retag, lambda retag: (retag.after.value, retag.after.tag) in there
        )
        outcome.lost = [retag for retag in outcome.not_retagged if retag.before.id not in ids]


def dry_run(api: RulesApi, plan: Plan, room: int) -> Verdicts:
    """What X says of the rules that the plan adds; of those beyond ``room`` it can say nothing.

    Rules that only get another tag need no verdict: X has their value already.
    """
    verdicts = Verdicts()
    for start in range(0, len(plan.add), BATCH):
        batch = plan.add[start : min(start + BATCH, max(room, 0))]
        if not batch:
            break
        try:
            verdicts.take(api.add(batch, dry_run=True))
        except CapExceeded:
            break
    return verdicts


def _taken(queue: deque[_T], most: int) -> list[_T]:
    return [queue.popleft() for _ in range(min(most, len(queue)))]


def _parted(items: Iterable[_T], done: Callable[[_T], bool]) -> tuple[list[_T], list[_T]]:
    parts: tuple[list[_T], list[_T]] = ([], [])
    for item in items:
        parts[not done(item)].append(item)
    return parts
