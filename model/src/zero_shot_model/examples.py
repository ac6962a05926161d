"""What a few posts do to a label: they move its vector and, so that thresholds keep about their meaning, its scale.

The rule and its figures were chosen by cross-validation on labelled posts of four kinds (bench/model_quality):

1. A label's vector is its sentence's plus `w` times the mean of its examples' vectors, of length 1 again, where
   `w` grows with their number.
2. Posts of the label's kind come closer to it by that. So the scale is moved along: what such a post is expected
   to have becomes the mean of what it would have by the new vector, what it had by the words alone, and what is
   usual for a label whose words are well chosen.
3. A text that is more like its nearest counter-example than like the label's vector loses half of the difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from zero_shot_model.encoder import Vectors

Likeness = npt.NDArray[np.float64]

GREATEST_WEIGHT = 3.0
"""`w` for examples without number, where the sentence weighs 1."""

HALF_WEIGHT_EXAMPLES = 9.0
"""Examples at which `w` is half of that: one alone may be odd. One weighs 0.3, five 1.07, sixteen 1.92."""

USUAL_MUTUAL_LIKENESS = 0.25
"""Of two posts of one label. It counts like one pair of examples, so that a single example can be judged."""

COUNTER_SHARE = 0.5
"""What a text loses of the difference between its nearest counter-example and the label's vector."""


@dataclass(frozen=True)
class LabelExamples:
    """Texts of posts by label: such as it is for, and such as it is easily taken for."""

    examples: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counter_examples: Mapping[str, Sequence[str]] = field(default_factory=dict)


NO_EXAMPLES = LabelExamples()
"""What a request of Hugging Face's shape says of them."""


@dataclass(frozen=True)
class _CounterExamples:
    """All of them, one label's after another's.

    `starts`: where each label's begin; `columns`: which label that is.
    """

    vectors: Vectors
    starts: list[int]
    columns: list[int]


class TaughtLabels:
    """Labels as their examples left them. Nothing changes it, so any number of threads may use it."""

    def __init__(self, vectors: Vectors, shifts: Likeness, counter_examples: _CounterExamples | None) -> None:
        self._vectors = vectors
        self._shifts = shifts
        self._counter_examples = counter_examples

    def likeness(self, texts: Vectors) -> Likeness:
        """Likenesses on the scale of labels without examples. Shapes: (texts, dimensions) -> (texts, labels)."""
        likeness: Likeness = (texts @ self._vectors.T).astype(np.float64)
        counter = self._counter_examples
        if counter is not None:
            nearest = np.maximum.reduceat(texts @ counter.vectors.T, counter.starts, axis=1)
            likeness[:, counter.columns] -= COUNTER_SHARE * np.maximum(0.0, nearest - likeness[:, counter.columns])
        return likeness - self._shifts


def teach(
    labels: Sequence[str],
    sentences: Vectors,
    given: LabelExamples,
    vectors_of: Callable[[Sequence[str]], Vectors],
    usual_likeness: Callable[[Vectors], Likeness],
) -> TaughtLabels:
    """The `labels`, whose sentences' vectors are given, after their examples.

    `usual_likeness` tells for vectors, of shape (examples, dimensions), how like a label of well chosen words such
    texts are. Labels without examples stay as they are, to the last bit. Raises what `vectors_of` raises.
    """
    vectors = sentences.copy()
    shifts = np.zeros(len(labels))
    texts, starts, columns = _in_a_row(labels, given.examples)
    if texts:
        counts = np.diff([*starts, len(texts)])
        means = np.add.reduceat(vectors_of(texts).astype(np.float64), starts, axis=0) / counts[:, np.newaxis]
        vectors[columns], shifts[columns] = _moved(
            sentences[columns].astype(np.float64), means, counts, usual_likeness(means.astype(np.float32))
        )
    texts, starts, columns = _in_a_row(labels, given.counter_examples)
    counter = _CounterExamples(vectors_of(texts), starts, columns) if texts else None
    return TaughtLabels(vectors, shifts, counter)


def _moved(
    sentences: Likeness, means: Likeness, counts: npt.NDArray[np.int64], usual: Likeness
) -> tuple[Likeness, Likeness]:
    """Label vectors after their examples, and what is to be taken off the likeness of texts to each."""
    weights = GREATEST_WEIGHT * counts / (counts + HALF_WEIGHT_EXAMPLES)
    moved = sentences + weights[:, np.newaxis] * means
    lengths = np.linalg.norm(moved, axis=1)
    by_words = (sentences * means).sum(axis=1)
    # A text of the same kind as the examples, which is none of them: an example's own likeness to a vector that it
    # is part of would say too much.
    by_vector = (by_words + weights * _mutual_likeness(means, counts)) / lengths
    expected = (by_vector + by_words + usual) / 3
    return moved / lengths[:, np.newaxis], by_vector - expected


def _mutual_likeness(means: Likeness, counts: npt.NDArray[np.int64]) -> Likeness:
    """The mean cosine over all pairs of a label's examples and one pair more of USUAL_MUTUAL_LIKENESS.

    The cosines of all ordered pairs add up to n² times the mean's squared length, n of them 1: each with itself.
    """
    pairs = counts * (counts - 1) / 2
    total = (counts**2 * (means**2).sum(axis=1) - counts) / 2
    likeness: Likeness = (total + USUAL_MUTUAL_LIKENESS) / (pairs + 1)
    return likeness


def _in_a_row(labels: Sequence[str], texts_of: Mapping[str, Sequence[str]]) -> tuple[list[str], list[int], list[int]]:
    """All texts, label after label; where each label's begin; which label that is. Labels without any are left out."""
    texts: list[str] = []
    starts: list[int] = []
    columns: list[int] = []
    for column, label in enumerate(labels):
        if texts_of.get(label):
            starts.append(len(texts))
            columns.append(column)
            texts.extend(texts_of[label])
    return texts, starts, columns
