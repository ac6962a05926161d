"""From a configuration to what is asked about a post, and from the scores to the labels that pass."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from classifier.labels import Labels, LabelSet, Verdict
from pipeline.alerts_config import parse_alerts_config
from pipeline.contracts import Alert, LabelScore, MatchedRule, Post
from pipeline.label_config import Label
from tests.support.classifier_parts import labels_of
from tests.support.examples import NOW, a_post

THREE = labels_of(
    {"name": "quake", "threshold": 0.5}, {"name": "flood", "threshold": 0.6}, {"name": "fire", "threshold": 0.7}
)
ABCD = [{"name": letter, "only_rules": [letter]} for letter in "abcd"]


def tagged(*tags: str) -> Post:
    return a_post(rules=[MatchedRule(id=str(number), tag=tag) for number, tag in enumerate(tags)])


def asked(labels: Labels, post: Post) -> list[str]:
    label_set = labels.for_post(post)
    return [label.name for label in label_set.asked] if label_set else []


def verdict(label_set: LabelSet, **scores: float) -> Verdict:
    """By the scores of candidates, whose blanks are written as underscores."""
    by_candidate = {name.replace("_", " "): score for name, score in scores.items()}
    assert by_candidate.keys() == set(label_set.candidates)
    return label_set.verdict(a_post(), [by_candidate[words] for words in label_set.candidates], "minilm", NOW)


def alert(label_set: LabelSet, **scores: float) -> Alert:
    made = verdict(label_set, **scores).alert
    assert made
    return made


def passed(label_set: LabelSet, **scores: float) -> list[str]:
    made = verdict(label_set, **scores).alert
    return [label.name for label in made.labels] if made else []


# thresholds


@pytest.mark.parametrize(("score", "passes"), [(0.5, True), (0.51, True), (0.49999, False), (0.0, False), (1.0, True)])
def test_a_threshold_belongs_to_what_passes(score: float, passes: bool) -> None:
    assert passed(THREE.everything, quake=score, flood=0.0, fire=0.0) == ["quake"] * passes


def test_each_label_has_its_own_threshold() -> None:
    assert passed(THREE.everything, quake=0.65, flood=0.65, fire=0.65) == ["quake", "flood"]


def test_the_best_label_comes_first_and_all_scores_are_kept() -> None:
    made = alert(THREE.everything, quake=0.51, flood=0.9, fire=0.25)
    assert made.labels == [LabelScore(name="flood", score=0.9), LabelScore(name="quake", score=0.51)]
    assert made.scores == [*made.labels, LabelScore(name="fire", score=0.25)]


def test_an_alert_says_of_what_by_what_and_when() -> None:
    made = alert(THREE.everything, quake=0.9, flood=0.0, fire=0.0)
    assert (made.post, made.model, made.classified_at) == (a_post(), "minilm", NOW)


def test_scores_are_rounded_after_they_are_compared() -> None:
    assert passed(THREE.everything, quake=0.499996, flood=0.0, fire=0.0) == []
    made = alert(THREE.everything, quake=0.123456, flood=0.654321, fire=0.0)
    assert [label.score for label in made.scores] == [0.6543, 0.1235, 0.0]


# words


def test_the_model_reads_descriptions_in_the_files_sentence() -> None:
    label_set = labels_of({"name": "quake", "description": "the ground shaking"}, {"name": "flood"}).everything
    assert label_set.candidates == ("the ground shaking", "flood")
    assert label_set.parameters == {
        "candidate_labels": ["the ground shaking", "flood"],
        "multi_label": True,
        "hypothesis_template": "It is about {}.",
    }
    assert label_set.examples is None


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"hypothesis": "People feel {}."}, "People feel the ground shaking."),
        ({"hypothesis": "{}"}, "the ground shaking"),
        ({"hypothesis": "The earth moved.", "description": None}, "The earth moved."),
    ],
)
def test_with_a_sentence_of_its_own_for_one_label_all_are_given_whole(own: dict[str, Any], sentence: str) -> None:
    label_set = labels_of(
        {"name": "quake", "description": "the ground shaking"} | own,
        {"name": "flood", "unless": ["a flood of mail"]},
    ).everything
    assert label_set.candidates == (sentence, "It is about flood.", "It is about a flood of mail.")
    assert label_set.parameters["candidate_labels"] == list(label_set.candidates)
    assert label_set.parameters["hypothesis_template"] == "{}"


# only_rules


def test_a_label_with_only_rules_is_asked_about_posts_of_these_rules_alone() -> None:
    labels = labels_of(
        {"name": "quake"},
        {"name": "flood", "only_rules": ["water", "weather"]},
        {"name": "fire", "only_rules": ["smoke"]},
    )
    assert asked(labels, a_post()) == ["quake"]
    assert asked(labels, tagged("another")) == ["quake"]
    assert asked(labels, tagged("", "weather")) == ["quake", "flood"]
    assert asked(labels, tagged("smoke", "water")) == ["quake", "flood", "fire"]
    assert labels.everything.candidates == ("quake", "flood", "fire")


def test_a_post_that_no_label_is_for_is_asked_about_none() -> None:
    assert labels_of({"name": "fire", "only_rules": ["smoke"]}).for_post(tagged("water")) is None


def test_scores_of_labels_that_were_not_asked_are_not_in_the_alert() -> None:
    label_set = labels_of({"name": "quake"}, {"name": "fire", "only_rules": ["smoke"]}).for_post(a_post())
    assert label_set
    assert alert(label_set, quake=0.9).scores == [LabelScore(name="quake", score=0.9)]


def test_the_same_combination_is_the_same_object_and_all_of_them_are_everything() -> None:
    labels = labels_of({"name": "quake"}, {"name": "fire", "only_rules": ["smoke"]})
    assert labels.for_post(tagged("a")) is labels.for_post(tagged("b"))
    assert labels.for_post(tagged("smoke")) is labels.everything
    assert THREE.for_post(tagged("smoke")) is THREE.everything


def test_of_combinations_without_end_not_all_are_kept() -> None:
    labels = labels_of(*({"name": f"label {number}", "only_rules": [str(number)]} for number in range(11)))
    for combination in range(1, 2**11):
        post = tagged(*(str(number) for number in range(11) if combination >> number & 1))
        label_set = labels.for_post(post)
        assert label_set
        assert len(label_set.candidates) == combination.bit_count()
    assert len(labels._sets) <= 1000


# unless


def test_a_competing_label_that_scores_higher_keeps_a_post_from_passing() -> None:
    label_set = labels_of({"name": "flood", "unless": ["a film"]}, {"name": "quake"}).everything
    assert label_set.candidates == ("flood", "quake", "a film")
    assert passed(label_set, flood=0.8, quake=0.6, a_film=0.9) == ["quake"]
    assert passed(label_set, flood=0.8, quake=0.6, a_film=0.8) == ["flood", "quake"]
    assert verdict(label_set, flood=0.8, quake=0.1, a_film=0.9) == Verdict(None, ["flood"])
    assert verdict(label_set, flood=0.4, quake=0.1, a_film=0.9) == Verdict(None, [])
    assert verdict(label_set, flood=0.8, quake=0.1, a_film=0.1).vetoed == []


def test_one_that_was_vetoed_keeps_its_score_and_competitors_are_no_labels() -> None:
    label_set = labels_of({"name": "flood", "unless": ["a film"]}, {"name": "quake"}).everything
    made = alert(label_set, flood=0.8, quake=0.6, a_film=0.9)
    assert made.scores == [LabelScore(name="flood", score=0.8), LabelScore(name="quake", score=0.6)]


def test_a_competitor_may_be_another_label_by_its_name_whether_it_passes_or_not() -> None:
    label_set = labels_of(
        {"name": "flood", "unless": ["film"]}, {"name": "film", "description": "a film", "threshold": 0.99}
    ).everything
    assert label_set.candidates == ("flood", "a film")
    assert passed(label_set, flood=0.8, a_film=0.9) == []


def test_one_that_is_not_asked_about_the_post_competes_all_the_same() -> None:
    label_set = labels_of(
        {"name": "flood", "unless": ["film"]}, {"name": "film", "description": "a film", "only_rules": ["cinema"]}
    ).for_post(a_post())
    assert label_set
    assert label_set.candidates == ("flood", "a film")
    assert passed(label_set, flood=0.8, a_film=0.9) == []
    assert passed(label_set, flood=0.8, a_film=0.7) == ["flood"]


def test_each_of_several_competitors_can_veto() -> None:
    label_set = labels_of({"name": "flood", "unless": ["a film", "a metaphor"]}).everything
    assert passed(label_set, flood=0.8, a_film=0.1, a_metaphor=0.9) == []
    assert passed(label_set, flood=0.8, a_film=0.9, a_metaphor=0.1) == []
    assert passed(label_set, flood=0.8, a_film=0.7, a_metaphor=0.7) == ["flood"]


# examples


def test_examples_go_by_the_words_that_the_model_reads() -> None:
    label_set = labels_of(
        {
            "name": "quake",
            "description": "the ground shaking",
            "examples": ["all shook"],
            "counter_examples": ["a shake"],
        },
        {"name": "flood", "counter_examples": ["flooded with mail"]},
        {"name": "fire"},
    ).everything
    assert label_set.examples == {
        "examples": {"the ground shaking": ["all shook"]},
        "counter_examples": {"the ground shaking": ["a shake"], "flood": ["flooded with mail"]},
    }
    assert "examples" not in label_set.parameters


def test_with_whole_sentences_they_go_by_these() -> None:
    label_set = labels_of({"name": "quake", "hypothesis": "The {} came.", "examples": ["all shook"]}).everything
    assert label_set.examples == {"examples": {"The quake came.": ["all shook"]}}


def test_those_of_a_label_that_only_competes_are_sent_and_those_of_one_that_is_not_asked_are_not() -> None:
    label_set = labels_of(
        {"name": "flood", "unless": ["film"]},
        {"name": "film", "only_rules": ["cinema"], "examples": ["saw it last night"]},
        {"name": "fire", "only_rules": ["smoke"], "examples": ["it burns"]},
    ).for_post(a_post())
    assert label_set
    assert label_set.examples == {"examples": {"film": ["saw it last night"]}}


# combinations


def for_letters(letters: str, labels: Labels) -> LabelSet:
    label_set = labels.for_post(tagged(*letters))
    assert label_set
    return label_set


def test_one_that_is_made_again_equals_its_former_self_and_no_other() -> None:
    labels = labels_of(*ABCD)
    with patch("classifier.labels._KEPT_SETS", 2):
        first, *others = [for_letters(letters, labels) for letters in ("a", "b", "ab", "abcd")]
        again = for_letters("a", labels)
    assert again is not first
    assert again == first
    assert hash(again) == hash(first)
    assert again.id == first.id
    for other in [*others, for_letters("a", labels_of(*ABCD))]:
        assert again != other
        assert again.id != other.id


def test_the_one_that_was_used_least_recently_is_made_again_and_all_labels_never_are() -> None:
    labels = labels_of(*ABCD)
    with patch("classifier.labels._KEPT_SETS", 2):
        first = for_letters("a", labels)
        for letters in ("b", "a", "c"):
            for_letters(letters, labels)
        assert for_letters("a", labels) is first
        assert for_letters("abcd", labels) is labels.everything


# a new configuration


def test_superseded_labels_say_so_to_whoever_waits_with_one_of_their_sets() -> None:
    labels = labels_of({"name": "quake"}, {"name": "fire", "only_rules": ["smoke"]})
    some = labels.for_post(a_post())
    assert some
    assert not some.is_superseded
    labels.supersede()
    assert some.is_superseded
    assert labels.everything.is_superseded


def test_the_readmes_worked_example_is_valid_and_has_every_key() -> None:
    readme = Path("services/classifier/README.md").read_text(encoding="utf-8")
    example = readme.split("\n## Labels\n", 1)[1].split("```yaml\n", 1)[1].split("```", 1)[0]
    config = parse_alerts_config(
        f"{example}channels: {{t: {{type: stdout}}}}\nroutes: [{{channels: [t]}}]\n", "README.md"
    )
    outage = config.labels[0]
    assert all(getattr(outage, key) for key in Label.__struct_fields__)
    assert Labels(config).everything.candidates == (
        "People report a blackout, homes without electricity.",
        "This post is about a film, a series or a game.",
        "This post is about running out of energy.",
    )
