"""What differs between the rules of the file and those at X, and what is to be done about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.errors import UserMistake
from stream_getter.x.rules.tags import is_managed
from stream_getter.x.rules.wanted import Wanted


@dataclass(frozen=True, slots=True)
class RuleAtX:
    """A rule as X has it; ``tag`` is empty for one without."""

    id: str
    value: str
    tag: str

    @property
    def managed(self) -> bool:
        """Whether it is one of ours."""
        return is_managed(self.tag)


@dataclass(frozen=True, slots=True)
class Retag:
    """A rule that is to have another tag: X cannot change one, so it is deleted and added."""

    before: RuleAtX
    after: Wanted


@dataclass(slots=True)
class Plan:
    """``taken`` are wanted, but at X as rules of somebody else, which ``adopt`` would retag. ``foreign`` stay alone."""

    keep: list[RuleAtX] = field(default_factory=list)
    add: list[Wanted] = field(default_factory=list)
    delete: list[RuleAtX] = field(default_factory=list)
    retag: list[Retag] = field(default_factory=list)
    taken: list[Retag] = field(default_factory=list)
    foreign: list[RuleAtX] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """Rules that ``apply`` would touch."""
        return len(self.add) + len(self.delete) + len(self.retag)

    @property
    def differences(self) -> int:
        """As ``changes``, with those that ``apply`` may not touch."""
        return self.changes + len(self.taken)

    @property
    def rules_after(self) -> int:
        """Rules that X has once all of it is done."""
        return len(self.keep) + len(self.add) + len(self.retag) + len(self.taken) + len(self.foreign)


def plan_of(
    wanted: Sequence[Wanted], at_x: Iterable[RuleAtX], *, adopt: bool = False, delete_unmanaged: bool = False
) -> Plan:
    """Rules are the same if their values are: X holds no value twice.

    ``adopt`` takes over rules of others whose value is wanted; ``delete_unmanaged`` deletes all the others of them too.
    """
    plan = Plan()
    missing = {rule.value: rule for rule in wanted}
    for rule in at_x:
        wish = missing.pop(rule.value.strip(), None)
        if wish is None:
            (plan.delete if rule.managed or delete_unmanaged else plan.foreign).append(rule)
        elif wish.tag == rule.tag:
            plan.keep.append(rule)
        elif rule.managed or adopt or delete_unmanaged:
            plan.retag.append(Retag(rule, wish))
        else:
            plan.taken.append(Retag(rule, wish))
    plan.add = list(missing.values())
    return plan


def check_cap(plan: Plan, file: str, most: int) -> None:
    """Raises UserMistake where X could not hold them all."""
    others = len(plan.foreign)
    if plan.rules_after > most:
        raise UserMistake(
            f"{file}: rules: expected at most {most:,} rules (see --max-rules), got {plan.rules_after - others:,}, "
            f"beside {others:,} at X that are not managed here"
        )
