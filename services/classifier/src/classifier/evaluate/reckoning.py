"""From the record of a trial to its figures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from classifier.evaluate.chance import interval
from classifier.evaluate.curve import NEVER, Curve, thinned
from classifier.evaluate.exact import exact
from classifier.evaluate.folds import dealt, unseen_passes
from classifier.evaluate.goal import Goal, Measure, f1_of
from classifier.evaluate.record import LabelRecord, Record
from classifier.evaluate.report import Choice, Confusion, CurvePoint, Figures, Histogram, LabelReport, Overall

#: Posts about a label, and posts about others, that say different things and are the least to choose a threshold by.
#: With 10 of 10 right the true precision may still be 0.72 (Wilson's interval).
LEAST_SUPPORT = 10
#: Parts of a histogram, points of a curve, confusions of a label.
BINS = 20
_POINTS = 100
_CONFUSIONS = 5


@dataclass(frozen=True)
class Reckoned:
    """One label's report, and by row whether each post passed at a threshold that was chosen without it.

    None where no threshold was chosen, which ``has_too_few`` posts may be the reason for.
    """

    report: LabelReport
    unseen: bytearray | None
    has_too_few: bool


def reckon(record: LabelRecord, rows: Sequence[int], keys: Sequence[int], goal: Goal) -> Reckoned:
    """The figures of one label over the ``rows`` that were judged. Posts that say the same have the same key."""
    label = record.label
    scores = [record.scores[row] for row in rows]
    about = [record.about[row] for row in rows]
    order = sorted(range(len(rows)), key=lambda index: -scores[index])
    curve = Curve([scores[index] for index in order], [about[index] for index in order])
    own_keys = [keys[row] for row in rows]
    too_few = no_choice = _too_few(own_keys, about)
    point = None if no_choice else curve.best(goal)
    choice, unseen = None, None
    now = decided([record.passed[row] for row in rows], about)
    if point is not None:
        passes = unseen_passes(order, scores, about, dealt(own_keys, about), goal)
        chosen = curve.points[point]
        unseen_figures = decided(passes, about)
        choice = Choice(
            curve.threshold(point),
            figures(chosen.hits, chosen.passed, curve.positives),
            unseen_figures,
            _doubt(unseen_figures, now, goal),
        )
        unseen = bytearray(len(record.passed))
        for index, row in enumerate(rows):
            unseen[row] = passes[index]
    elif not no_choice:
        no_choice = _out_of_reach(curve, goal)
    report = LabelReport(
        name=label.name,
        support=curve.positives,
        threshold=label.threshold,
        now=now,
        average_precision=curve.average_precision(),
        choice=choice,
        no_choice=no_choice,
        vetoed=record.vetoed,
        not_asked=record.not_asked,
        missed=_most(record.missed),
        false_alarms=_most(record.false_alarms),
        worst=record.worst.worst_first(),
        curve=_shown(curve),
        histogram=_histogram(scores, about),
    )
    return Reckoned(report, unseen, has_too_few=bool(too_few))


def overall(record: Record, rows: Sequence[int], labels: Sequence[LabelReport]) -> Overall:
    """The means over labels that have posts. A label that nothing passed has no precision, which counts as 0 here."""
    counted = [label for label in labels if label.support]
    columns = list(record.labels.values())
    about_none = [row for row in rows if not any(column.about[row] for column in columns)]
    chosen = [label.choice.cross_validated.f1 or 0.0 for label in counted if label.choice]
    return Overall(
        labels=len(counted),
        precision=_mean([label.now.precision or 0.0 for label in counted]),
        recall=_mean([label.now.recall or 0.0 for label in counted]),
        f1=_mean([label.now.f1 or 0.0 for label in counted]),
        average_precision=_mean([label.average_precision or 0.0 for label in counted]),
        f1_cross_validated=_mean(chosen) if len(chosen) == len(counted) else None,
        posts_about_none=len(about_none),
        alerted_in_error=sum(any(column.passed[row] for column in columns) for row in about_none),
    )


def decided(passes: Sequence[int], about: Sequence[int]) -> Figures:
    """The figures of decisions, one for each post."""
    hits = sum(1 for passed, is_about in zip(passes, about, strict=True) if passed and is_about)
    return figures(hits, sum(passes), sum(about))


def figures(hits: int, passed: int, support: int) -> Figures:
    """The figures of these counts. F1 is None for a label without posts, of which nothing can be hit."""
    return Figures(
        hits=hits,
        passed=passed,
        support=support,
        precision=hits / passed if passed else None,
        precision_interval=interval(hits, passed),
        recall=hits / support if support else None,
        f1=f1_of(hits, passed, support) if support else None,
    )


def _too_few(keys: Sequence[int], about: Sequence[int]) -> str:
    own = {key for key, is_about in zip(keys, about, strict=True) if is_about}
    others = set(keys) - own
    for count, what in ((len(own), "about it"), (len(others), "about others or none")):
        if count < LEAST_SUPPORT:
            posts = "post" if count == 1 else "posts"
            return f"{count} different {posts} {what}: too few to choose a threshold by, {LEAST_SUPPORT} at least"
    return ""


def _doubt(unseen: Figures, now: Figures, goal: Goal) -> str:
    """Why unseen posts speak against a threshold."""
    if goal.measure is Measure.F1:
        before, after = now.f1 or 0.0, unseen.f1 or 0.0
        return f"F1 on unseen posts is {after:.2f}, with the present one {before:.2f}" if after < before else ""
    of = unseen.passed if goal.measure is Measure.PRECISION else unseen.support
    reached = interval(unseen.hits, of)
    if reached is None or reached[1] < goal.least:
        share = f"{unseen.hits / of:.2f} ({unseen.hits} of {of})" if of else "of no post"
        return f"{goal.measure} on unseen posts is {share}"
    return ""


def _out_of_reach(curve: Curve, goal: Goal) -> str:
    hits = [point for point in curve.points if point.hits]
    if not hits:
        return "no post about it can pass"
    if goal.measure is Measure.PRECISION:
        best = max(point.precision for point in hits)
        return f"no threshold reaches a precision of {exact(goal.least)}: {best:.2f} is the most"
    best = hits[-1].hits / curve.positives
    return f"no threshold reaches a recall of {exact(goal.least)}: {best:.2f} is the most, the others cannot pass"


def _most(counter: Counter[str]) -> list[Confusion]:
    ranked = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(name, posts) for name, posts in ranked[:_CONFUSIONS]]


def _shown(curve: Curve) -> list[CurvePoint]:
    if not curve.positives:
        return []
    return [
        CurvePoint(round(point.score, 4), round(point.precision, 4), round(point.hits / curve.positives, 4))
        for point in thinned(curve.points, _POINTS)
    ]


def _histogram(scores: Sequence[float], about: Sequence[int]) -> Histogram:
    counts = ([0] * BINS, [0] * BINS)
    for score, is_about in zip(scores, about, strict=True):
        if score != NEVER:
            counts[not is_about][min(BINS - 1, int(score * BINS))] += 1
    return Histogram(*counts)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
