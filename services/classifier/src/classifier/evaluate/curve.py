"""Precision and recall over all thresholds, and the threshold that reaches a goal.

Average precision is that of scikit-learn's ``average_precision_score``: the sum over thresholds of precision times the
gain in recall, without interpolation; posts of equal score come together.
"""

from collections.abc import Sequence
from typing import NamedTuple

from classifier.evaluate.goal import Goal

#: The score of a post that no threshold lets pass: not asked about the label, or kept back by a competing one.
NEVER = -1.0
#: Decimal places of a threshold, the fewest that tell the scores apart.
_DIGITS = range(2, 7)


class Point(NamedTuple):
    """What passes from ``score`` on: so many posts, of which ``hits`` are about the label."""

    score: float
    passed: int
    hits: int

    @property
    def precision(self) -> float:
        """Hits among what passes."""
        return self.hits / self.passed


class Curve:
    """The points of one label, best score first. ``positives``: posts about the label, those that never pass included.

    ``scores`` come in falling order.
    """

    def __init__(self, scores: Sequence[float], relevant: Sequence[int]) -> None:
        self.positives = sum(relevant)
        points: list[Point] = []
        passed = hits = 0
        last = None
        for score, is_relevant in zip(scores, relevant, strict=True):
            if score == NEVER:
                break
            if score != last and passed:
                points.append(Point(last or 0.0, passed, hits))
            passed += 1
            hits += is_relevant
            last = score
        if passed:
            points.append(Point(last or 0.0, passed, hits))
        self.points = points

    def average_precision(self) -> float | None:
        """None where no post is about the label."""
        if not self.positives:
            return None
        before = 0
        area = 0.0
        for point in self.points:
            area += (point.hits - before) * point.precision
            before = point.hits
        return area / self.positives

    def best(self, goal: Goal) -> int | None:
        """The index of the point that reaches the goal best; None where none reaches it.

        Of equals the one with the higher threshold.
        """
        best: tuple[float, float] | None = None
        found = None
        before = 0
        for index, (_, passed, hits) in enumerate(self.points):
            # to let more pass without another hit is never better
            if hits > before:
                before = hits
                rank = goal.rank(hits, passed, self.positives)
                if rank and (best is None or rank > best):
                    best, found = rank, index
        return found

    def threshold(self, index: int) -> float:
        """A threshold that lets pass what this point has."""
        low = self.points[index + 1].score if index + 1 < len(self.points) else 0.0
        return between(low, self.points[index].score)


def between(low: float, high: float) -> float:
    """A number above ``low``, up to ``high``: about midway, in few digits."""
    middle = (low + high) / 2
    return next((short for digits in _DIGITS if low < (short := round(middle, digits)) <= high), high)


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` of the points: first and last, and of each stretch of recall the most precise."""
    if len(points) <= most:
        return list(points)
    best: dict[int, Point] = {}
    span = max(1, points[-1].hits)
    for point in points[1:-1]:
        place = min(most - 3, point.hits * (most - 2) // span)
        if place not in best or point.precision > best[place].precision:
            best[place] = point
    return [points[0], *(best[place] for place in sorted(best)), points[-1]]
