"""From scores to labels."""

import pytest

from classifier.judgement import alert_for, judged_text
from pipeline.contracts import Alert, LabelScore
from tests.support.examples import NOW, a_post

THRESHOLDS = {"quake": 0.5, "flood": 0.6, "fire": 0.7}


def judge(**scores: float) -> Alert | None:
    return alert_for(a_post(), scores, THRESHOLDS, "minilm", NOW)


@pytest.mark.parametrize(("score", "passes"), [(0.5, True), (0.51, True), (0.49999, False), (0.0, False), (1.0, True)])
def test_a_threshold_belongs_to_what_passes(score: float, passes: bool) -> None:
    assert (judge(quake=score, flood=0.0, fire=0.0) is not None) is passes


def test_each_label_has_its_own_threshold() -> None:
    alert = judge(quake=0.65, flood=0.65, fire=0.65)
    assert alert is not None
    assert [label.name for label in alert.labels] == ["quake", "flood"]


def test_the_best_label_comes_first_and_all_scores_are_kept() -> None:
    alert = judge(quake=0.51, flood=0.9, fire=0.25)
    assert alert is not None
    assert alert.labels == [LabelScore(name="flood", score=0.9), LabelScore(name="quake", score=0.51)]
    assert alert.scores == [*alert.labels, LabelScore(name="fire", score=0.25)]


def test_an_alert_says_of_what_by_what_and_when() -> None:
    alert = judge(quake=0.9, flood=0.0, fire=0.0)
    assert alert is not None
    assert (alert.post, alert.model, alert.classified_at) == (a_post(), "minilm", NOW)


def test_scores_are_rounded_after_they_are_compared() -> None:
    assert judge(quake=0.499996, flood=0.0, fire=0.0) is None
    alert = judge(quake=0.123456, flood=0.654321, fire=0.0)
    assert alert is not None
    assert [label.score for label in alert.scores] == [0.6543, 0.1235, 0.0]


def test_a_quote_is_read_after_the_posts_own_words() -> None:
    assert judged_text(a_post(text="oh no", quoted_text="the dam broke")) == "oh no\nthe dam broke"
    assert judged_text(a_post(text="oh no")) == "oh no"
