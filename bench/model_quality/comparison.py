"""Labelled posts judged without examples, with them, and with counter-examples beside them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.model_quality.draws import FOLDS, Indices, deal, examples, false_alarms, shuffled
from bench.model_quality.judging import Scores, judge
from bench.model_quality.labelled import LabelledPosts
from bench.model_quality.measures import Measures, best_thresholds, measure
from zero_shot_model.encoder import Encoder, Vectors
from zero_shot_model.examples import NO_EXAMPLES, LabelExamples
from zero_shot_model.scoring import ZeroShotClassifier

TEMPLATE = "This post is about {}."
#: A draw of each is what is measured.
EXAMPLES_A_LABEL = (1, 3, 5, 16)


class RememberingEncoder:
    """Encodes each text once, however often it is judged."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Vectors] = {}

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if missing:
            self._vectors.update(zip(missing, self._encoder.encode(missing), strict=True))
        return np.array([self._vectors[text] for text in texts])


@dataclass(frozen=True)
class Compared:
    """One set. Each draw of examples, and of counter-examples beside them, has its measures, by examples a label."""

    name: str
    posts: int
    labels: int
    without: Measures
    with_examples: Mapping[int, Sequence[Measures]]
    with_counter_examples: Mapping[int, Sequence[Measures]]


class Comparison:
    """The scores of one set, for any draw of examples."""

    def __init__(self, posts: LabelledPosts, encoder: Encoder) -> None:
        remembering = RememberingEncoder(encoder)
        self._posts = posts
        self._classifier = ZeroShotClassifier(remembering)
        fold_of = deal(remembering.encode(posts.texts), posts.expected)
        self._folds = [np.flatnonzero(fold_of == fold) for fold in range(FOLDS)]
        self._plain = self._scores(np.arange(len(posts.texts)), NO_EXAMPLES)
        self._old_thresholds = best_thresholds(self._plain, posts.expected)

    def without(self) -> Measures:
        """Of the labels' words alone."""
        return self._measures(self._plain)

    def taught(self, count: int, draw: int) -> tuple[Measures, Measures]:
        """With ``count`` examples a label, and with as many counter-examples beside them."""
        expected = self._posts.expected
        with_examples, with_both = np.empty_like(self._plain), np.empty_like(self._plain)
        for number, fold in enumerate(self._folds):
            order = shuffled(np.setdiff1d(np.arange(len(expected)), fold), draw, number)
            given = self._texts(examples(order, expected, count))
            alarms = false_alarms(order, expected, self._scores(order, LabelExamples(given)), count)
            with_examples[fold] = self._scores(fold, LabelExamples(given))
            with_both[fold] = self._scores(fold, LabelExamples(given, self._texts(alarms)))
        return self._measures(with_examples), self._measures(with_both)

    def _measures(self, scores: Scores) -> Measures:
        posts = self._posts
        return measure(scores, posts.expected, self._folds, posts.one_label_a_post, self._old_thresholds)

    def _texts(self, by_label: Sequence[Indices]) -> dict[str, list[str]]:
        posts = self._posts
        return {
            label: [posts.texts[index] for index in indices]
            for label, indices in zip(posts.labels, by_label, strict=True)
        }

    def _scores(self, indices: Indices, given: LabelExamples) -> Scores:
        """Shapes: (posts,) -> (posts, labels), in the order of the set's labels."""
        texts = [self._posts.texts[index] for index in indices]
        return judge(self._classifier, texts, self._posts.labels, TEMPLATE, given)


def compare(posts: LabelledPosts, encoder: Encoder, draws: int, tell: Callable[[int], None]) -> Compared:
    """``tell`` takes the number of draws that are done, of all counts together."""
    comparison = Comparison(posts, encoder)
    taught: dict[int, list[tuple[Measures, Measures]]] = {count: [] for count in EXAMPLES_A_LABEL}
    for done, (count, draw) in enumerate(((c, d) for c in EXAMPLES_A_LABEL for d in range(draws)), start=1):
        taught[count].append(comparison.taught(count, draw))
        tell(done)
    return Compared(
        posts.name,
        len(posts.texts),
        len(posts.labels),
        comparison.without(),
        {count: [first for first, _ in pairs] for count, pairs in taught.items()},
        {count: [second for _, second in pairs] for count, pairs in taught.items()},
    )
