"""The formula, and the classifier over an encoder whose vectors are known."""

from collections.abc import Sequence

import numpy as np
import pytest

from zero_shot_model.encoder import Vectors
from zero_shot_model.examples import LabelExamples
from zero_shot_model.scoring import ZeroShotClassifier, multi_label_scores, single_label_scores

TEMPLATE = "It is {}."


class EncoderOfKnownVectors:
    """Gives the vectors it was made with and remembers what it was asked."""

    def __init__(self, vectors: dict[str, tuple[float, float]]) -> None:
        self._vectors = vectors
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return np.array([self._vectors[text] for text in texts], np.float32)


@pytest.fixture
def encoder() -> EncoderOfKnownVectors:
    return EncoderOfKnownVectors(
        {
            "north": (0.0, 1.0),
            "east": (1.0, 0.0),
            "slant": (0.6, 0.8),
            "It is up.": (0.0, 1.0),
            "It is right.": (1.0, 0.0),
            "It is down.": (0.0, -1.0),
            "It is something.": (0.6, 0.8),
        }
    )


def test_a_label_alone_is_scored_by_its_likeness_less_half_of_the_neutral_one() -> None:
    scores = multi_label_scores(np.array([[0.7, 0.3]]), np.array([0.4]))
    assert scores[0] == pytest.approx([1 / (1 + np.exp(-13.3 * 0.25)), 1 / (1 + np.exp(13.3 * 0.15))])


def test_labels_in_competition_are_scored_by_softmax() -> None:
    scores = single_label_scores(np.array([[0.5, 0.4]]))
    assert scores[0] == pytest.approx([1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))])


def test_labels_come_best_first(encoder: EncoderOfKnownVectors) -> None:
    (result,) = ZeroShotClassifier(encoder).classify(["north"], ["down", "right", "up"], False, TEMPLATE)
    assert result.labels == ["up", "right", "down"]
    assert result.scores == sorted(result.scores, reverse=True)


def test_equal_scores_keep_the_order_of_the_request(encoder: EncoderOfKnownVectors) -> None:
    (result,) = ZeroShotClassifier(encoder).classify(["north"], ["right", "up", "right"], True, TEMPLATE)
    assert result.labels == ["up", "right", "right"]


def test_results_come_in_the_order_of_the_texts(encoder: EncoderOfKnownVectors) -> None:
    results = ZeroShotClassifier(encoder).classify(["north", "east"], ["up", "right"], False, TEMPLATE)
    assert [result.labels[0] for result in results] == ["up", "right"]


def test_single_label_scores_add_up_to_one(encoder: EncoderOfKnownVectors) -> None:
    (result,) = ZeroShotClassifier(encoder).classify(["east"], ["up", "right", "down"], False, TEMPLATE)
    assert sum(result.scores) == pytest.approx(1)


def test_whole_sentences_as_labels_are_scored_as_words_in_their_template() -> None:
    words, sentence = "This post is about {}.", "This post is about up."
    neutral = "This post is about something."
    encoder = EncoderOfKnownVectors({"slant": (0.6, 0.8), sentence: (0.0, 1.0), neutral: (1.0, 0.0)})
    classifier = ZeroShotClassifier(encoder)
    (whole,) = classifier.classify(["slant"], [sentence], multi_label=True, template="{}")
    (parted,) = classifier.classify(["slant"], ["up"], multi_label=True, template=words)
    assert whole.scores == parted.scores


def test_one_label_is_scored_as_with_multi_label(encoder: EncoderOfKnownVectors) -> None:
    (result,) = ZeroShotClassifier(encoder).classify(["north"], ["up"], False, TEMPLATE)
    assert result.scores == pytest.approx([1 / (1 + np.exp(-13.3 * (1 - 0.5 * 0.8 - 0.25)))])


def test_a_label_is_encoded_once(encoder: EncoderOfKnownVectors) -> None:
    classifier = ZeroShotClassifier(encoder)
    for _ in range(3):
        classifier.classify(["north"], ["up", "right"], True, TEMPLATE)
    assert encoder.asked.count("It is up.") == 1
    assert encoder.asked.count("north") == 3


def test_the_label_used_longest_ago_is_forgotten_first(encoder: EncoderOfKnownVectors) -> None:
    classifier = ZeroShotClassifier(encoder, cached_labels=2)
    for labels in (["up", "right"], ["up", "up"], ["down", "down"], ["up", "right"]):
        classifier.classify(["north"], labels, False, TEMPLATE)
    assert encoder.asked.count("It is up.") == 1
    assert encoder.asked.count("It is right.") == 2


def test_more_labels_than_the_cache_holds_are_scored_all_the_same(encoder: EncoderOfKnownVectors) -> None:
    classifier = ZeroShotClassifier(encoder, cached_labels=1)
    (result,) = classifier.classify(["east"], ["up", "right", "down"], True, TEMPLATE)
    assert result.labels[0] == "right"


def test_empty_examples_give_the_scores_of_none(encoder: EncoderOfKnownVectors) -> None:
    classifier = ZeroShotClassifier(encoder)
    labels = ["up", "right", "down"]
    for multi_label in (True, False):
        without = classifier.classify(["north", "east"], labels, multi_label, TEMPLATE)
        empty = classifier.classify(["north", "east"], labels, multi_label, TEMPLATE, LabelExamples({}, {"up": []}))
        assert empty == without


def test_examples_raise_the_score_of_their_like(encoder: EncoderOfKnownVectors) -> None:
    classifier = ZeroShotClassifier(encoder)
    (without,) = classifier.classify(["east"], ["up"], True, TEMPLATE)
    (taught,) = classifier.classify(["east"], ["up"], True, TEMPLATE, LabelExamples({"up": ["east"]}))
    assert taught.scores[0] > without.scores[0]


def test_counter_examples_lower_the_score_of_their_like_in_both_ways_of_scoring(
    encoder: EncoderOfKnownVectors,
) -> None:
    classifier = ZeroShotClassifier(encoder)
    examples = LabelExamples(counter_examples={"up": ["slant"]})
    for multi_label in (True, False):
        without, taught = (
            dict(zip(result.labels, result.scores, strict=True))
            for given in (LabelExamples(), examples)
            for result in classifier.classify(["slant"], ["up", "right"], multi_label, TEMPLATE, given)
        )
        assert taught["up"] < without["up"]


def test_examples_are_encoded_once(encoder: EncoderOfKnownVectors) -> None:
    classifier = ZeroShotClassifier(encoder)
    for _ in range(3):
        classifier.classify(["north"], ["up"], True, TEMPLATE, LabelExamples({"up": ["east"]}, {"up": ["slant"]}))
    assert [encoder.asked.count(text) for text in ("east", "slant", "north")] == [1, 1, 3]
