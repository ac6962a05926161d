"""The labels of config/alerts.yaml on the half of `samples/` that nothing was tuned on, the examples from the other.

It answers what the cross-validation cannot: whether the rule holds for labels and posts that had no say in it, at the
thresholds that stand in the file. Nothing may be changed because of what it says.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from bench.model_quality.draws import Indices, examples, false_alarms
from bench.model_quality.judging import Scores, judge
from bench.model_quality.measures import Truth, at_thresholds, ranking
from demo.accounts import SamplePost, read_sample
from pipeline.alerts_config import read_alerts_config
from zero_shot_model.encoder import Encoder
from zero_shot_model.examples import NO_EXAMPLES, LabelExamples
from zero_shot_model.scoring import ZeroShotClassifier

CONFIG = Path("config/alerts.yaml")
EXAMPLES_FROM = Path("samples/posts_dev.jsonl")
MEASURED_WITH = Path("samples/posts_test.jsonl")
EXAMPLES_A_LABEL = 5


@dataclass(frozen=True)
class AtThresholds:
    """Mean average precision, and what the alerts would be at the labels' own thresholds: macro-F1 and the rest."""

    mean_average_precision: float
    macro_f1: float
    precision: float
    recall: float


@dataclass(frozen=True)
class FrozenHalf:
    """Means over the draws of examples."""

    without: AtThresholds
    with_examples: AtThresholds
    with_counter_examples: AtThresholds


def measure_frozen_half(encoder: Encoder, draws: int) -> FrozenHalf:
    """Posts in English only: the embedded model knows no other language."""
    half = _Half(encoder)
    pairs = [half.taught(draw) for draw in range(draws)]
    return FrozenHalf(half.measured(NO_EXAMPLES), _mean([one for one, _ in pairs]), _mean([two for _, two in pairs]))


class _Half:
    def __init__(self, encoder: Encoder) -> None:
        self._classifier = ZeroShotClassifier(encoder)
        self._config = read_alerts_config(CONFIG)
        self._candidates = [label.candidate for label in self._config.labels]
        self._thresholds = np.array([label.threshold for label in self._config.labels])
        self._source, self._source_truth = self._read(EXAMPLES_FROM)
        self._posts, self._truth = self._read(MEASURED_WITH)

    def taught(self, draw: int) -> tuple[AtThresholds, AtThresholds]:
        order = np.random.default_rng(draw).permutation(len(self._source))
        given = self._texts(examples(order, self._source_truth, EXAMPLES_A_LABEL))
        scores = self._scores([self._source[index] for index in order], LabelExamples(given))
        alarms = self._texts(false_alarms(order, self._source_truth, scores, EXAMPLES_A_LABEL))
        return self.measured(LabelExamples(given)), self.measured(LabelExamples(given, alarms))

    def measured(self, given: LabelExamples) -> AtThresholds:
        scores = self._scores(self._posts, given)
        return AtThresholds(ranking(scores, self._truth), *at_thresholds(scores, self._truth, self._thresholds))

    def _read(self, file: Path) -> tuple[list[str], Truth]:
        posts: list[SamplePost] = [post for post in read_sample([file]).values() if post.language == "en"]
        names = [label.name for label in self._config.labels]
        return [post.text for post in posts], np.array([[name in post.expected for name in names] for post in posts])

    def _texts(self, by_label: Sequence[Indices]) -> dict[str, list[str]]:
        pairs = zip(self._candidates, by_label, strict=True)
        return {label: [self._source[index] for index in indices] for label, indices in pairs}

    def _scores(self, texts: Sequence[str], given: LabelExamples) -> Scores:
        return judge(self._classifier, texts, self._candidates, self._config.hypothesis_template, given)


def _mean(each: Sequence[AtThresholds]) -> AtThresholds:
    return AtThresholds(*(float(np.mean(values)) for values in zip(*map(astuple, each), strict=True)))
