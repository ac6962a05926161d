"""How good scores are: at ranking, at a threshold of 0.5, and at the thresholds that were right without examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.model_quality.judging import Scores
from tests.support.ranking_metrics import average_precision

Truth = npt.NDArray[np.bool_]

THRESHOLD = 0.5


@dataclass(frozen=True)
class Measures:
    """Of one set's scores. All are from 0 to 1.

    ``macro_f1``: where no post has two labels, of the best label if that reaches 0.5, else of every label that does.
    ``precision`` and ``recall``: of all labels that reach 0.5, together. ``f1_at_old_thresholds``: the mean over
    labels, each at the threshold that is best for it without examples. ``best_threshold``: the mean over labels.
    """

    mean_average_precision: float
    macro_f1: float
    precision: float
    recall: float
    f1_at_old_thresholds: float
    best_threshold: float


def measure(
    scores: Scores, expected: Truth, folds: Sequence[npt.NDArray[np.int64]], choose: bool, old_thresholds: Scores
) -> Measures:
    """Shapes: (posts, labels) twice, a list of posts for each fold, (labels,).

    Ranking is measured within each fold, for the examples differ from fold to fold; the rest over all posts.
    """
    half = np.full(scores.shape[1], THRESHOLD)
    _, precision, recall = at_thresholds(scores, expected, half)
    best_only = np.where(scores == scores.max(axis=1, keepdims=True), scores, 0.0)
    return Measures(
        float(np.mean([ranking(scores[fold], expected[fold]) for fold in folds])),
        at_thresholds(best_only if choose else scores, expected, half)[0],
        precision,
        recall,
        at_thresholds(scores, expected, old_thresholds)[0],
        float(np.mean(best_thresholds(scores, expected))),
    )


def at_thresholds(scores: Scores, expected: Truth, thresholds: Scores) -> tuple[float, float, float]:
    """Macro-F1, and precision and recall over all labels together. Shapes: (posts, labels) twice, (labels,)."""
    passed = scores >= thresholds
    hits = (passed & expected).sum(axis=0)
    occurrences = passed.sum(axis=0) + expected.sum(axis=0)
    precision = hits.sum() / max(1, passed.sum())
    return float(np.mean(2 * hits / np.maximum(1, occurrences))), float(precision), float(hits.sum() / expected.sum())


def best_thresholds(scores: Scores, expected: Truth) -> Scores:
    """For each label that with the highest F1: half-way between the last score it lets pass and the next."""
    thresholds = []
    for column in range(scores.shape[1]):
        order = np.argsort(-scores[:, column], kind="stable")
        ranked = scores[order, column]
        hits = np.cumsum(expected[order, column])
        best = int(np.argmax(2 * hits / (np.arange(1, len(order) + 1) + hits[-1])))
        thresholds.append((ranked[best] + ranked[min(best + 1, len(order) - 1)]) / 2)
    return np.array(thresholds)


def ranking(scores: Scores, expected: Truth) -> float:
    """Mean average precision over the labels that the posts have at all. Shapes: (posts, labels) twice."""
    columns = np.flatnonzero(expected.any(axis=0))
    return float(np.mean([average_precision(expected[:, each].tolist(), scores[:, each].tolist()) for each in columns]))
