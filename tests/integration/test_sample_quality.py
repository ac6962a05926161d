"""The floor of what config/alerts.yaml reaches with the embedded model on the sample's frozen half.

Descriptions and thresholds were chosen on the other half and on development sets; nothing may be tuned on this one.
The posts are hard on purpose (a third of them near misses), so the figures are lower than a desk would see.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.accounts import SamplePost, read_sample
from pipeline.alerts_config import AlertsConfig, read_alerts_config
from tests.support.ranking_metrics import average_precision
from zero_shot_model import assets
from zero_shot_model.encoder import OpenVinoEncoder
from zero_shot_model.scoring import ZeroShotClassifier

FROZEN_HALF = Path("samples/posts_test.jsonl")
#: Reached when this was written: 0.520 and 0.536.
LEAST_MACRO_F1 = 0.49
LEAST_MEAN_AVERAGE_PRECISION = 0.50

Scored = list[tuple[SamplePost, dict[str, float]]]


@pytest.fixture(scope="module")
def config() -> AlertsConfig:
    return read_alerts_config(Path("config/alerts.yaml"))


@pytest.fixture(scope="module")
def scored(config: AlertsConfig) -> Iterator[Scored]:
    """The posts in English with their scores by label name; the embedded model knows no other language."""
    encoder = OpenVinoEncoder(assets.verified(assets.MODEL, None), assets.verified(assets.TOKENIZER, None), threads=2)
    posts = [post for post in read_sample([FROZEN_HALF]).values() if post.language == "en"]
    names = {label.candidate: label.name for label in config.labels}
    results = ZeroShotClassifier(encoder).classify(
        [post.text for post in posts], list(names), multi_label=True, template=config.hypothesis_template
    )
    yield [
        (post, {names[words]: score for words, score in zip(result.labels, result.scores, strict=True)})
        for post, result in zip(posts, results, strict=True)
    ]
    encoder.close()


def test_alerts_are_right_often_enough(scored: Scored, config: AlertsConfig) -> None:
    f1 = []
    for label in config.labels:
        expected = [label.name in post.expected for post, _ in scored]
        alerted = [scores[label.name] >= label.threshold for _, scores in scored]
        right = sum(a and b for a, b in zip(expected, alerted, strict=True))
        f1.append(2 * right / (sum(expected) + sum(alerted)))
    assert sum(f1) / len(f1) >= LEAST_MACRO_F1


def test_posts_are_ranked_well_enough(scored: Scored, config: AlertsConfig) -> None:
    precisions = [
        average_precision(
            [label.name in post.expected for post, _ in scored], [scores[label.name] for _, scores in scored]
        )
        for label in config.labels
    ]
    assert sum(precisions) / len(precisions) >= LEAST_MEAN_AVERAGE_PRECISION
