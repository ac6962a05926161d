"""Cross-validation: what a threshold chosen on some posts reaches on others, which is what a user will see.

The threshold that fits a few posts best fits them too well. So the posts are dealt into parts, those that say the same
into the same; for each part a threshold is chosen on all others; and what those thresholds make of the parts that they
have not seen is counted together.
"""

import math
from collections.abc import Sequence

from classifier.evaluate.curve import NEVER, between
from classifier.evaluate.goal import Goal

#: Parts. Ten is the custom (R. Kohavi, "A Study of Cross-Validation and Bootstrap for Accuracy Estimation", 1995).
FOLDS = 10


def dealt(keys: Sequence[int], relevant: Sequence[int], parts: int = FOLDS) -> bytearray:
    """The part of each post, from 0. Equal ``keys`` say the same; posts about the label are spread evenly."""
    groups: dict[int, bool] = {}
    for key, is_relevant in zip(keys, relevant, strict=True):
        groups[key] = groups.get(key, False) or bool(is_relevant)
    counts = [0, 0]
    part_of: dict[int, int] = {}
    # by their keys, which are hashes: the order of the file, sorted by label perhaps, must not count
    for key in sorted(groups):
        kind = groups[key]
        part_of[key] = counts[kind] % parts
        counts[kind] += 1
    return bytearray(part_of[key] for key in keys)


def unseen_passes(
    order: Sequence[int], scores: Sequence[float], relevant: Sequence[int], parts: Sequence[int], goal: Goal
) -> bytearray:
    """Whether each post passes the threshold that was chosen without its part.

    ``order`` are the posts' indices by falling score. Where a goal is out of reach on the others, nothing passes.
    """
    thresholds = _thresholds(order, scores, relevant, parts, goal)
    return bytearray(
        score != NEVER and score >= thresholds.get(part, math.inf) for score, part in zip(scores, parts, strict=True)
    )


def _thresholds(
    order: Sequence[int], scores: Sequence[float], relevant: Sequence[int], parts: Sequence[int], goal: Goal
) -> dict[int, float]:
    """By part the threshold that is best for all others, in one pass over the posts."""
    count = max(parts, default=0) + 1
    positives = [0] * count
    for part, is_relevant in zip(parts, relevant, strict=True):
        positives[part] += is_relevant
    total = sum(positives)
    passed, hits = [0] * count, [0] * count  # of each part
    best: dict[int, tuple[tuple[float, float], int]] = {}
    gained = False
    for place, index in enumerate(order):
        if scores[index] == NEVER:
            break
        passed[parts[index]] += 1
        hits[parts[index]] += relevant[index]
        gained = gained or bool(relevant[index])
        following = scores[order[place + 1]] if place + 1 < len(order) else NEVER
        # as Curve.best: only between two scores, and only where there is another hit
        if not gained or following == scores[index]:
            continue
        gained = False
        all_passed, all_hits = sum(passed), sum(hits)
        for part in range(count):
            rank = goal.rank(all_hits - hits[part], all_passed - passed[part], total - positives[part])
            if rank and (part not in best or rank > best[part][0]):
                best[part] = rank, place
    return {part: _between_others(place, part, order, scores, parts) for part, (_, place) in best.items()}


def _between_others(
    place: int, part: int, order: Sequence[int], scores: Sequence[float], parts: Sequence[int]
) -> float:
    """The threshold below ``place``, where only posts of other parts are known."""
    above = next(scores[order[at]] for at in range(place, -1, -1) if parts[order[at]] != part)
    below = next((scores[order[at]] for at in range(place + 1, len(order)) if parts[order[at]] != part), 0.0)
    return between(max(0.0, below), above)
