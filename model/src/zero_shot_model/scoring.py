"""Scores of labels for texts, from the cosines of their vectors."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zero_shot_model.encoder import Encoder, Vectors

Scores = npt.NDArray[np.float64]

PLACEHOLDER = "{}"
"""Where a hypothesis template takes the label."""

NEUTRAL_LABEL = "something"
"""A text is like any sentence to some degree; its likeness to this one tells to which."""

# The four figures below belong to this very model and its scale of cosines; another model needs others. They
# were found by trial on labelled posts, tests/integration/test_model_quality.py holds what they reach.
NEUTRAL_WEIGHT = 0.5
"""The part of the neutral likeness that is subtracted. It raised average precision on every set."""

EVEN_LIKENESS = 0.25
"""The likeness, less the neutral part, at which a label is as likely as not."""

MULTI_LABEL_SLOPE = 13.3
"""How fast the score of a label alone rises around EVEN_LIKENESS."""

SINGLE_LABEL_SLOPE = 20.0
"""How sharply labels in competition part (the inverse of a softmax temperature)."""


@dataclass(frozen=True)
class Classification:
    """Labels and their scores (0 to 1) of one text, best first; equal scores in the order of the request."""

    labels: list[str]
    scores: list[float]


def multi_label_scores(likeness: Scores, neutral_likeness: Scores) -> Scores:
    """Scores that stand each for itself. Shapes: (texts, labels), (texts,) -> (texts, labels)."""
    excess = likeness - NEUTRAL_WEIGHT * neutral_likeness[:, np.newaxis] - EVEN_LIKENESS
    scores: Scores = 1.0 / (1.0 + np.exp(-MULTI_LABEL_SLOPE * excess))
    return scores


def single_label_scores(likeness: Scores) -> Scores:
    """Scores that add up to 1 over a text's labels. Shapes: (texts, labels) -> (texts, labels)."""
    powers = np.exp(SINGLE_LABEL_SLOPE * (likeness - likeness.max(axis=1, keepdims=True)))
    scores: Scores = powers / powers.sum(axis=1, keepdims=True)
    return scores


class ZeroShotClassifier:
    """Classifies texts against labels named in plain words. One thread at a time may use it.

    The vectors of the `cached_labels` sentences used last are kept, so that labels cost nothing after their
    first request.
    """

    def __init__(self, encoder: Encoder, cached_labels: int = 4096) -> None:
        self._encoder = encoder
        self._cached_labels = cached_labels
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()

    def classify(
        self, texts: Sequence[str], labels: Sequence[str], multi_label: bool, template: str
    ) -> list[Classification]:
        """One Classification a text, in the order of `texts`; needs one label at least.

        A single label is scored as with `multi_label`: in competition with itself it would always get 1
        (Hugging Face's zero-shot pipeline does the same).
        """
        hypotheses = self._hypotheses([template.replace(PLACEHOLDER, label) for label in labels])
        vectors = self._encoder.encode(texts)
        likeness = (vectors @ hypotheses.T).astype(np.float64)
        if multi_label or len(labels) == 1:
            neutral = self._hypotheses([template.replace(PLACEHOLDER, NEUTRAL_LABEL)])
            scores = multi_label_scores(likeness, (vectors @ neutral.T).astype(np.float64)[:, 0])
        else:
            scores = single_label_scores(likeness)
        return [_sorted(labels, row) for row in scores]

    def _hypotheses(self, sentences: Sequence[str]) -> Vectors:
        return np.stack([self._hypothesis(sentence) for sentence in sentences])

    def _hypothesis(self, sentence: str) -> Vectors:
        vector = self._vectors.get(sentence)
        if vector is None:
            # Each alone: int8 vectors depend a little on their neighbours in a batch, and this one stays.
            vector = self._encoder.encode([sentence])[0]
            self._vectors[sentence] = vector
            if len(self._vectors) > self._cached_labels:
                self._vectors.popitem(last=False)
        self._vectors.move_to_end(sentence)
        return vector


def _sorted(labels: Sequence[str], scores: npt.NDArray[np.float64]) -> Classification:
    order = np.argsort(-scores, kind="stable")
    return Classification([labels[index] for index in order], [float(scores[index]) for index in order])
