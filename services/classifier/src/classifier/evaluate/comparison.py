"""Two trials of the same posts, side by side: what differs, and whether it is more than chance."""

from collections.abc import Iterable, Sequence
from heapq import heappush, heappushpop

import msgspec

from classifier.evaluate.chance import holm, mcnemar, word
from classifier.evaluate.goal import Goal
from classifier.evaluate.reckoning import Reckoned, reckon
from classifier.evaluate.record import LabelledCase, Record
from classifier.evaluate.report import VERSION, Figures, Report
from classifier.evaluate.wrong_posts import shown
from pipeline.hostile_text import one_line

#: Posts that changed sides that are kept for each label.
_MOST_CHANGED = 10

#: By label whether each post that was judged both times passes in the first and in the second, by row.
_Decisions = tuple[Sequence[int], Sequence[int]]


class Verdict(msgspec.Struct, frozen=True):
    """``only_first``: posts that the first alone got right, those that say the same counted once.

    ``probability``: that chance alone would make such a difference (McNemar, exact; over several labels by Holm).
    ``word``: of the second: "better", "worse" or "no clear difference".
    """

    only_first: int
    only_second: int
    probability: float
    word: str


class ChangedPost(msgspec.Struct, frozen=True):
    """A post that passes in one trial alone: in the second if ``passes``. ``is_right``: whether the second is right."""

    line: int
    id: str
    passes: bool
    is_right: bool
    text: str


class LabelComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One label that both have.

    ``now``: at the present thresholds of each. ``at_best``: at those that reach the goal in each, cross-validated,
    which is fair where the second's have not been set yet; None where either has none, and then ``no_choice`` says
    why in few words.
    """

    name: str
    first: Figures
    second: Figures
    now: Verdict
    average_precision: tuple[float | None, float | None]
    f1_at_best: tuple[float | None, float | None]
    at_best: Verdict | None
    no_choice: str
    changed: int
    changed_posts: list[ChangedPost]

    @property
    def differs(self) -> bool:
        """Whether there is anything to see: another ranking of the posts, or another decision."""
        return bool(self.changed) or self.average_precision[0] != self.average_precision[1]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """``overall`` compares posts of which every label was decided rightly. The rest are whole reports."""

    v: int = VERSION
    posts: int
    overall: Verdict
    labels: list[LabelComparison]
    only_in_first: list[str]
    only_in_second: list[str]
    first: Report
    second: Report


class Changes:
    """Notes, while the second trial runs, which posts pass a label in one of the two alone. Not for several threads."""

    def __init__(self, first: Record) -> None:
        self._first = first
        self._kept: dict[str, list[tuple[int, ChangedPost]]] = {}

    def note(self, case: LabelledCase, passed: frozenset[str]) -> None:
        """What the second trial made of a post."""
        if not self._first.judged[case.row]:
            return
        for name, record in self._first.labels.items():
            passes = name in passed
            if bool(record.passed[case.row]) != passes:
                self._keep(name, case, passes)

    def _keep(self, name: str, case: LabelledCase, passes: bool) -> None:
        kept = self._kept.setdefault(name, [])
        if len(kept) >= _MOST_CHANGED and -case.line <= kept[0][0]:
            return
        is_right = passes == (name in case.about)
        entry = (-case.line, ChangedPost(case.line, one_line(case.post.id, 100), passes, is_right, shown(case.text)))
        if len(kept) < _MOST_CHANGED:
            heappush(kept, entry)
        else:
            heappushpop(kept, entry)

    def of(self, label: str) -> list[ChangedPost]:
        """In the order of the file; the first of them, if there are many."""
        return [post for _, post in sorted(self._kept.get(label, []), reverse=True)]


def compare(
    records: tuple[Record, Record],
    reports: tuple[Report, Report],
    goal: Goal,
    changes: Changes,
) -> Comparison:
    """The second against the first, over the posts that were judged both times, whatever else either judged."""
    first, second = records
    keys = first.keys
    rows = [row for row in range(len(keys)) if first.judged[row] and second.judged[row]]
    common = [name for name in first.labels if name in second.labels]
    reckoned = [[reckon(record.labels[name], rows, keys, goal) for record in records] for name in common]
    now, best = [], []
    for name, sides in zip(common, reckoned, strict=True):
        about = first.labels[name].about
        now.append(_counts(rows, keys, about, (first.labels[name].passed, second.labels[name].passed)))
        unseen = [side.unseen for side in sides]
        best.append(_counts(rows, keys, about, (unseen[0], unseen[1])) if unseen[0] and unseen[1] else None)
    now_verdicts = _verdicts(now)
    best_verdicts = iter(_verdicts([counts for counts in best if counts]))
    labels = []
    for index, name in enumerate(common):
        reports_of = [side.report for side in reckoned[index]]
        records_of = [first.labels[name], second.labels[name]]
        chosen = [report.choice.cross_validated.f1 if report.choice else None for report in reports_of]
        labels.append(
            LabelComparison(
                name=name,
                first=reports_of[0].now,
                second=reports_of[1].now,
                now=now_verdicts[index],
                average_precision=(reports_of[0].average_precision, reports_of[1].average_precision),
                f1_at_best=(chosen[0], chosen[1]),
                at_best=next(best_verdicts) if best[index] else None,
                no_choice=_no_choice(reckoned[index]),
                changed=sum(records_of[0].passed[row] != records_of[1].passed[row] for row in rows),
                changed_posts=changes.of(name),
            )
        )
    return Comparison(
        posts=len(rows),
        overall=_overall(records, rows, common),
        labels=labels,
        only_in_first=[name for name in first.labels if name not in second.labels],
        only_in_second=[name for name in second.labels if name not in first.labels],
        first=reports[0],
        second=reports[1],
    )


def _no_choice(sides: Sequence[Reckoned]) -> str:
    if any(side.has_too_few for side in sides):
        return "too few posts"
    lacking = [name for name, side in zip("AB", sides, strict=True) if side.unseen is None]
    if not lacking:
        return ""
    return "out of reach" if len(lacking) == len(sides) else f"out of reach in {lacking[0]}"


def _counts(rows: Iterable[int], keys: Sequence[int], about: Sequence[int], decisions: _Decisions) -> tuple[int, int]:
    only_first: set[int] = set()
    only_second: set[int] = set()
    for row in rows:
        if decisions[0][row] != decisions[1][row]:
            (only_first if decisions[0][row] == about[row] else only_second).add(keys[row])
    return len(only_first), len(only_second)


def _verdicts(counts: Sequence[tuple[int, int]]) -> list[Verdict]:
    probabilities = holm([mcnemar(*each) for each in counts])
    return [_verdict(each, probability) for each, probability in zip(counts, probabilities, strict=True)]


def _verdict(counts: tuple[int, int], probability: float) -> Verdict:
    return Verdict(*counts, round(probability, 6), word(*counts, probability))


def _overall(records: tuple[Record, Record], rows: Iterable[int], common: Sequence[str]) -> Verdict:
    only_first: set[int] = set()
    only_second: set[int] = set()
    columns = [[record.labels[name] for name in common] for record in records]
    for row in rows:
        is_right = [all(label.passed[row] == label.about[row] for label in side) for side in columns]
        if is_right[0] != is_right[1]:
            (only_first if is_right[0] else only_second).add(records[0].keys[row])
    counts = (len(only_first), len(only_second))
    return _verdict(counts, mcnemar(*counts))
