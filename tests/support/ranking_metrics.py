"""Measures of ranked and of chosen labels."""

from collections.abc import Sequence


def average_precision(relevant: Sequence[bool], scores: Sequence[float]) -> float:
    """The mean, over the relevant items, of the precision among all items ranked at least as high.

    Equal scores keep the order given. Raises ZeroDivisionError when nothing is relevant.
    """
    ranked = sorted(zip(scores, relevant, strict=True), key=lambda pair: -pair[0])
    found = 0
    precisions = 0.0
    for rank, (_, is_relevant) in enumerate(ranked, start=1):
        if is_relevant:
            found += 1
            precisions += found / rank
    return precisions / found


def macro_f1(expected: Sequence[str], chosen: Sequence[str], labels: Sequence[str]) -> float:
    """The mean over `labels` of F1 = 2 TP / (2 TP + FP + FN); 0 for a label that never occurs."""
    return sum(_f1(expected, chosen, label) for label in labels) / len(labels)


def _f1(expected: Sequence[str], chosen: Sequence[str], label: str) -> float:
    hits = sum(a == b == label for a, b in zip(expected, chosen, strict=True))
    occurrences = sum(a == label for a in expected) + sum(b == label for b in chosen)
    return 2 * hits / occurrences if occurrences else 0.0
