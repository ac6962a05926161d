"""Scores of labels for texts, from the cosines of their vectors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zero_shot_model.encoder import Encoder, Vectors
from zero_shot_model.examples import NO_EXAMPLES, LabelExamples, TaughtLabels, teach
from zero_shot_model.vector_cache import VectorCache

Scores = npt.NDArray[np.float64]

PLACEHOLDER = "{}"
"""Where a hypothesis template takes the label."""

NEUTRAL_LABEL = "something"
"""A text is like any sentence to some degree; its likeness to this one tells to which."""

NEUTRAL_SENTENCE = "This post is about something."
"""What takes its place where labels are whole sentences, and the template adds nothing."""

# The figures below belong to this very model and its scale of cosines; another model needs others. They
# were found by trial on labelled posts, tests/integration/test_model_quality.py holds what they reach.
NEUTRAL_WEIGHT = 0.5
"""The part of the neutral likeness that is subtracted. It raised average precision on every set."""

EVEN_LIKENESS = 0.25
"""The likeness, less the neutral part, at which a label is as likely as not."""

MULTI_LABEL_SLOPE = 13.3
"""How fast the score of a label alone rises around EVEN_LIKENESS."""

SINGLE_LABEL_SLOPE = 20.0
"""How sharply labels in competition part (the inverse of a softmax temperature)."""

USUAL_EXCESS = 0.08
"""By how much a text that fits a label of well chosen words is above the likeness that scores 0.5: it scores 0.74."""


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
    """Classifies texts against labels named in plain words. Any thread may use it, as far as the encoder allows.

    The vectors of the `cached_labels` label sentences and examples used last are kept, so that they cost nothing
    after their first request.
    """

    def __init__(self, encoder: Encoder, cached_labels: int = 4096) -> None:
        self._encoder = encoder
        self._cache = VectorCache(encoder, cached_labels)

    def classify(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        multi_label: bool,
        template: str,
        examples: LabelExamples = NO_EXAMPLES,
    ) -> list[Classification]:
        """One Classification a text, in the order of `texts`; needs one label at least. Raises EncoderClosed.

        A single label is scored as with `multi_label`: in competition with itself it would always get 1
        (Hugging Face's zero-shot pipeline does the same).
        """
        taught = self._taught(labels, template, examples)
        vectors = self._encoder.encode(texts)
        likeness = taught.likeness(vectors)
        if multi_label or len(labels) == 1:
            scores = multi_label_scores(likeness, self._neutral_likeness(vectors, template))
        else:
            scores = single_label_scores(likeness)
        return _sorted(labels, scores)

    def _taught(self, labels: Sequence[str], template: str, examples: LabelExamples) -> TaughtLabels:
        sentences = self._cache.vectors_of([template.replace(PLACEHOLDER, label) for label in labels])

        def usual_likeness(vectors: Vectors) -> Scores:
            return NEUTRAL_WEIGHT * self._neutral_likeness(vectors, template) + EVEN_LIKENESS + USUAL_EXCESS

        return teach(labels, sentences, examples, self._cache.vectors_of, usual_likeness)

    def _neutral_likeness(self, vectors: Vectors, template: str) -> Scores:
        is_bare = template.strip() == PLACEHOLDER
        sentence = NEUTRAL_SENTENCE if is_bare else template.replace(PLACEHOLDER, NEUTRAL_LABEL)
        neutral = self._cache.vectors_of([sentence])
        likeness: Scores = (vectors @ neutral.T).astype(np.float64)[:, 0]
        return likeness


def _sorted(labels: Sequence[str], scores: Scores) -> list[Classification]:
    """The labels of each text, best first. All at once: label by label this took as long as the matrices."""
    order = np.argsort(-scores, axis=1, kind="stable")
    names = np.array(labels, dtype=object)[order].tolist()
    return list(map(Classification, names, np.take_along_axis(scores, order, axis=1).tolist()))
