"""How far figures of a few posts can be trusted.

E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927), for the interval of a
share; Q. McNemar, "Note on the sampling error of the difference between correlated proportions" (1947), in its exact
form, for two ways of judging the same posts; S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (1979),
for several labels at a time.
"""

import math
from collections.abc import Sequence

#: The normal distribution's quantile for 95 % on both sides.
_Z = 1.959964
#: Posts on which two differ, beyond which the normal distribution is as good as the exact sum.
_EXACT = 1000
#: A difference that chance alone would make more seldom than this is told.
SIGNIFICANT = 0.05


def interval(hits: int, of: int) -> tuple[float, float] | None:
    """Wilson's interval of 95 % for a share; None for a share of nothing."""
    if not of:
        return None
    share, square = hits / of, _Z * _Z
    middle = share + square / (2 * of)
    half = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    scale = 1 + square / of
    # of none and of all they are 0 and 1, which rounding may miss
    return (middle - half) / scale if hits else 0.0, (middle + half) / scale if hits < of else 1.0


def mcnemar(only_first: int, only_second: int) -> float:
    """How probable it is by chance that of the posts which one alone got right so many are the first's (two-sided)."""
    differing, fewer = only_first + only_second, min(only_first, only_second)
    if not differing:
        return 1.0
    if differing > _EXACT:
        corrected = (abs(only_first - only_second) - 1) / math.sqrt(differing)
        return math.erfc(max(0.0, corrected) / math.sqrt(2))
    tail = sum(math.comb(differing, each) for each in range(fewer + 1))
    return min(1.0, 2.0 * tail / (1 << differing))


def holm(probabilities: Sequence[float]) -> list[float]:
    """The probabilities, in their order, raised for the number of comparisons."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    raised = [0.0] * len(probabilities)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, probabilities[index] * (len(order) - rank)))
        raised[index] = highest
    return raised


def word(only_first: int, only_second: int, probability: float) -> str:
    """Whether the second is better, worse, or neither for certain."""
    if probability >= SIGNIFICANT:
        return "no clear difference"
    return "better" if only_second > only_first else "worse"
