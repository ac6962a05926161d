"""What a threshold is to reach."""

from dataclasses import dataclass
from enum import StrEnum

from classifier.evaluate.exact import exact


class Measure(StrEnum):
    """What is wanted most: F1, or a precision or recall of so much with as much of the other as can be had."""

    F1 = "f1"
    PRECISION = "precision"
    RECALL = "recall"


@dataclass(frozen=True, slots=True)
class Goal:
    """``least`` is the precision or recall wanted, from 0 to 1."""

    measure: Measure = Measure.F1
    least: float = 0.0

    def rank(self, hits: int, passed: int, positives: int) -> tuple[float, float] | None:
        """How good it is that so many pass, ``hits`` of them rightly: more is better. None where the goal is missed.

        Without a hit it always is.
        """
        if not hits:
            return None
        if self.measure is Measure.F1:
            return f1_of(hits, passed, positives), 0.0
        # divided, for 0.28 * 25 is more than 7, and 7 / 25 is 0.28: both are rounded to the same number
        if self.measure is Measure.PRECISION:
            return (hits, hits / passed) if hits / passed >= self.least else None
        return (hits / passed, hits) if hits / positives >= self.least else None

    def __str__(self) -> str:
        return "best F1" if self.measure is Measure.F1 else f"{self.measure} of {exact(self.least)} at least"


def f1_of(hits: int, passed: int, positives: int) -> float:
    """2 TP / (2 TP + FP + FN); 0 where nothing passed and nothing was to."""
    return 2 * hits / (passed + positives) if passed + positives else 0.0
