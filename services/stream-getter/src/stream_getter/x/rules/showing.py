"""Plans, outcomes and rules as lines for people. Tags and values of others are hostile text: nothing of them acts."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from pipeline.dead_letters.words import counted
from pipeline.hostile_text import escaped, one_line
from pipeline.text import cut
from stream_getter.x.rules.api import Verdicts
from stream_getter.x.rules.application import Outcome
from stream_getter.x.rules.plan import Plan, Retag, RuleAtX
from stream_getter.x.rules.tags import tag_as_written
from stream_getter.x.rules.wanted import Wanted

#: Characters shown of a tag and of a value: more than X has of either.
_TAG_LENGTH, _VALUE_LENGTH = 255, 2048
#: Characters up to which tags are set in a column.
_COLUMN = 24
_GREEN, _RED, _YELLOW = "32", "31", "33"


class Colors:
    """Colors where the stream is a terminal, and the user has not said otherwise (no-color.org)."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
        self._on = stream.isatty() and not environ.get("NO_COLOR")

    def paint(self, color: str, line: str) -> str:
        """The line in the color, or as it is."""
        return f"\x1b[{color}m{line}\x1b[0m" if self._on else line


def plan_lines(plan: Plan, verdicts: Verdicts, colors: Colors) -> Iterator[str]:
    """What differs, a line each, and the counts."""
    width = _width(plan)
    for wanted in plan.add:
        refusal = verdicts.refused.get(wanted.value)
        yield colors.paint(_GREEN, f"  + {_row(wanted, width)}")
        if refusal is not None:
            yield colors.paint(_RED, f"    X refuses it: {refusal}")
    for rule in plan.delete:
        yield colors.paint(_RED, f"  - {_row(rule, width)}{'' if rule.managed else '  (not managed here)'}")
    for retag in plan.retag:
        yield colors.paint(_YELLOW, f"  ~ {_row(retag.after, width)}  (tag until now: {_told_tag(retag.before)})")
    for retag in plan.taken:
        told = f"(at X already, with the tag {_told_tag(retag.before)}, not managed here: --adopt takes it over)"
        yield colors.paint(_YELLOW, f"  ! {_row(retag.after, width)}  {told}")
    yield f"  = {counted(len(plan.keep), 'rule')} as wanted"
    if plan.foreign:
        yield f"    {counted(len(plan.foreign), 'rule')} at X not managed here, left alone"
    unknown = sum(
        rule.value not in verdicts.accepted | verdicts.existing | verdicts.refused.keys() for rule in plan.add
    )
    if unknown:
        yield f"    X gave no verdict on {counted(unknown, 'rule')} to add: its room is for fewer"
    yield _counts(plan)


def outcome_lines(outcome: Outcome, plan: Plan) -> Iterator[str]:
    """What was done, by X's own list, and what was not."""
    if not outcome.verified:
        yield "what was done is not known, as X's rules could not be listed: see `stream-getter rules plan`"
        return
    parts = [
        f"{done} {len(of):,}" if len(of) == total else f"{done} {len(of):,} of {total:,}"
        for done, of, total in (
            ("added", outcome.added, len(plan.add)),
            ("deleted", outcome.deleted, len(plan.delete)),
            ("retagged", outcome.retagged, len(plan.retag)),
        )
        if total
    ]
    yield f"{', '.join(parts)}: so X lists them"


def undone_lines(outcome: Outcome) -> Iterator[str]:
    """What was not done, a line each, with X's reason where it gave one."""
    if not outcome.verified:
        return
    for wanted in outcome.not_added:
        yield f"not added: {_row(wanted, 0)}{_reason(outcome, wanted.value)}"
    for rule in outcome.not_deleted:
        yield f"not deleted: {_row(rule, 0)}"
    lost = {retag.before.id for retag in outcome.lost}
    for retag in outcome.not_retagged:
        told = "deleted, and not added with its new tag" if retag.before.id in lost else "not retagged"
        yield f"{told}: {_row(retag.after, 0)}{_reason(outcome, retag.after.value)}"


def table_lines(rules: Sequence[RuleAtX]) -> Iterator[str]:
    """The rules at X with a heading."""
    ids = max([len("id"), *(len(_harmless(rule.id, 40)) for rule in rules)])
    width = max([len("tag"), *(min(len(_told_tag(rule)), _COLUMN) for rule in rules)])
    yield f"{'id':{ids}}  managed  {'tag':{width}}  value"
    for rule in rules:
        managed = "yes" if rule.managed else "no"
        yield f"{_harmless(rule.id, 40):{ids}}  {managed:7}  {_row(rule, width)}"


def as_json(rules: Sequence[RuleAtX]) -> str:
    """The rules at X for programs: ``tag`` as it was written, without the prefix of those that are managed."""
    shown = [
        {"id": rule.id, "managed": rule.managed, "tag": tag_as_written(rule.tag), "value": rule.value} for rule in rules
    ]
    return json.dumps({"rules": shown}, indent=2).replace("\x7f", "\\u007f")


def _counts(plan: Plan) -> str:
    if not plan.differences:
        return "nothing to do"
    todo = ((plan.add, "to add"), (plan.delete, "to delete"), (plan.retag, "to retag"), (plan.taken, "in the way"))
    return ", ".join(f"{len(of):,} {what}" for of, what in todo if of)


def _width(plan: Plan) -> int:
    retags: list[Retag] = [*plan.retag, *plan.taken]
    rules: list[Wanted | RuleAtX] = [*plan.add, *plan.delete, *(retag.after for retag in retags)]
    return max((min(len(_told_tag(rule)), _COLUMN) for rule in rules), default=0)


def _row(rule: Wanted | RuleAtX, width: int) -> str:
    return f"{_told_tag(rule):{width}}  {_harmless(rule.value, _VALUE_LENGTH)}"


def _told_tag(rule: Wanted | RuleAtX) -> str:
    return _harmless(tag_as_written(rule.tag), _TAG_LENGTH) or "(no tag)"


def _reason(outcome: Outcome, value: str) -> str:
    reason = outcome.reasons.get(value)
    return f"  ({one_line(reason, 300)})" if reason else ""


def _harmless(text: str, limit: int) -> str:
    return escaped(cut(text, limit))
