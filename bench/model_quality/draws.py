"""Which posts are examples and which are measured with. Fixed by seeds, before anything is tuned on them.

The posts of a set are dealt out to five folds, each label evenly. Each fold in turn is what is measured with; examples
are drawn from the four others. Posts that say nearly the same stay together in one fold: a reworded example among the
posts measured with would be a question with its answer.
"""

import numpy as np
import numpy.typing as npt

from zero_shot_model.encoder import Vectors

FOLDS = 5
#: Cosine from which two posts say nearly the same.
NEARLY_THE_SAME = 0.9
_SEED = 7

Indices = npt.NDArray[np.int64]


def deal(vectors: Vectors, expected: npt.NDArray[np.bool_]) -> Indices:
    """The fold of each post. Shapes: (posts, dimensions), (posts, labels) -> (posts,)."""
    kinds = np.column_stack([expected, ~expected.any(axis=1)]).astype(np.float64)
    rarity = 1.0 / np.maximum(kinds.sum(axis=0), 1.0)
    groups = same_posts(vectors)
    folds = np.empty(len(vectors), np.int64)
    dealt = np.zeros((FOLDS, kinds.shape[1]))
    sizes = np.zeros(FOLDS)
    for group in np.random.default_rng(_SEED).permutation(np.unique(groups)):
        members = np.flatnonzero(groups == group)
        wanted = kinds[members].sum(axis=0)
        # to the fold that has the fewest posts like these, and of such to the smallest
        fold = int(np.argmin((dealt * wanted * rarity).sum(axis=1) + 1e-3 * sizes))
        folds[members] = fold
        dealt[fold] += wanted
        sizes[fold] += len(members)
    return folds


def same_posts(vectors: Vectors) -> Indices:
    """A number for each post; posts joined by a chain of NEARLY_THE_SAME ones share it."""
    groups = np.arange(len(vectors))
    for one, other in np.argwhere(np.triu(vectors @ vectors.T, 1) > NEARLY_THE_SAME):
        groups[groups == groups[other]] = groups[one]
    return groups


def shuffled(posts: Indices, draw: int, fold: int) -> Indices:
    """The posts in the order in which they are drawn: the first five are five examples, and the first of them one."""
    return np.random.default_rng([_SEED, draw, fold]).permutation(posts)


def examples(order: Indices, expected: npt.NDArray[np.bool_], count: int) -> list[Indices]:
    """For each label the first ``count`` posts that have it, or as many as there are."""
    return [order[expected[order, column]][:count] for column in range(expected.shape[1])]


def false_alarms(
    order: Indices, expected: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64], count: int
) -> list[Indices]:
    """For each label ``count`` posts without it, drawn from the ``2 * count`` of these that score highest.

    ``scores`` are those of the posts of ``order``, of shape (posts, labels): a user's counter-examples are the false
    alarms that came, and they come from the top.
    """
    drawn = []
    for column in range(expected.shape[1]):
        without = np.flatnonzero(~expected[order, column])
        highest = without[np.argsort(-scores[without, column], kind="stable")][: 2 * count]
        drawn.append(order[np.sort(highest)][:count])  # ``order`` is a random one already
    return drawn
