"""The scores of the embedded model as a table, for whoever measures them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zero_shot_model.examples import LabelExamples
from zero_shot_model.scoring import ZeroShotClassifier

Scores = npt.NDArray[np.float64]


def judge(
    classifier: ZeroShotClassifier, texts: Sequence[str], labels: Sequence[str], template: str, given: LabelExamples
) -> Scores:
    """Each label scored alone. Of shape (texts, labels), in the order in which they are given."""
    results = classifier.classify(texts, labels, True, template, given)
    scores = (dict(zip(result.labels, result.scores, strict=True)) for result in results)
    return np.array([[of_text[label] for label in labels] for of_text in scores])
