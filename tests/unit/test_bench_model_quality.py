"""Folds, draws and measures of the benchmark of examples, and how it ends where there is nothing to measure with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.model_quality.comparison import Compared
from bench.model_quality.draws import FOLDS, deal, examples, false_alarms, same_posts, shuffled
from bench.model_quality.frozen_half import AtThresholds, FrozenHalf
from bench.model_quality.labelled import FILES, NoLabelledPosts, read_labelled
from bench.model_quality.measures import Measures, at_thresholds, best_thresholds, measure, ranking
from bench.model_quality.report import Figures, as_json, broken_bounds, table


def unit_vectors(count: int, seed: int = 1) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def labels_in_turn(posts: int, labels: int) -> np.ndarray:
    """The last kind of post has no label."""
    kinds = np.arange(posts) % (labels + 1)
    return np.asarray(kinds[:, np.newaxis] == np.arange(labels))


def test_every_post_is_in_one_fold_and_every_fold_has_each_kind_evenly() -> None:
    expected = labels_in_turn(120, 3)
    folds = deal(unit_vectors(120), expected)
    for fold in range(FOLDS):
        members = expected[folds == fold]
        assert members.sum(axis=0).tolist() == [6, 6, 6]
        assert int((~members.any(axis=1)).sum()) == 6


def test_posts_that_say_nearly_the_same_stay_in_one_fold() -> None:
    vectors = unit_vectors(60)
    for one, other in ((0, 59), (59, 31), (7, 8)):
        vectors[other] = vectors[one] + 0.01 * vectors[20]
    groups = same_posts(vectors)
    assert len(set(groups.tolist())) == 57
    folds = deal(vectors, labels_in_turn(60, 3))
    assert folds[0] == folds[59] == folds[31]
    assert folds[7] == folds[8]


def test_a_draw_is_the_same_every_time_and_more_examples_keep_the_fewer() -> None:
    expected = labels_in_turn(80, 3)
    order = shuffled(np.arange(40), draw=2, fold=1)
    assert order.tolist() == shuffled(np.arange(40), draw=2, fold=1).tolist()
    assert order.tolist() != shuffled(np.arange(40), draw=3, fold=1).tolist()
    for few, many in zip(examples(order, expected, 2), examples(order, expected, 5), strict=True):
        assert many[:2].tolist() == few.tolist()
    for label, drawn in enumerate(examples(order, expected, 5)):
        assert expected[drawn, label].all()
        assert set(drawn.tolist()) <= set(range(40))


def test_false_alarms_are_posts_without_the_label_from_the_top() -> None:
    expected = labels_in_turn(40, 1)
    order = shuffled(np.arange(40), draw=0, fold=0)
    scores = order[:, np.newaxis] / 40  # the post's own number is its score
    (drawn,) = false_alarms(order, expected, scores, 3)
    assert len(drawn) == 3
    assert set(drawn.tolist()) <= {39, 37, 35, 33, 31, 29}  # odd posts have no label


def test_the_best_threshold_lies_between_what_should_pass_and_what_should_not() -> None:
    scores = np.array([[0.9], [0.8], [0.3], [0.1]])
    assert best_thresholds(scores, np.array([[True], [True], [False], [False]])) == pytest.approx([0.55])


def test_precision_and_recall_are_over_all_labels_and_f1_is_the_mean_over_them() -> None:
    scores = np.array([[0.9, 0.9], [0.9, 0.1], [0.1, 0.1]])
    expected = np.array([[True, True], [False, True], [False, False]])
    macro_f1, precision, recall = at_thresholds(scores, expected, np.array([0.5, 0.5]))
    assert (macro_f1, precision, recall) == pytest.approx(((2 / 3 + 2 / 3) / 2, 2 / 3, 2 / 3))


def test_where_no_post_has_two_labels_the_best_one_counts() -> None:
    scores = np.array([[0.9, 0.6], [0.6, 0.9]])
    expected = np.array([[True, False], [False, True]])
    folds = [np.array([0, 1])]
    chosen, each = (measure(scores, expected, folds, choose, np.array([0.5, 0.5])) for choose in (True, False))
    assert (chosen.macro_f1, each.macro_f1) == pytest.approx((1.0, 2 / 3))
    assert chosen.precision == each.precision == 0.5


def test_ranking_leaves_out_labels_that_no_post_has() -> None:
    assert ranking(np.array([[0.9, 0.9], [0.1, 0.1]]), np.array([[True, False], [False, False]])) == 1.0


def test_posts_are_read_with_one_label_several_or_none(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "flood"}, {"text": "b", "label": "none"}, {"text": "c", "label": ["flood", "fire"]}]
    (tmp_path / FILES["crisis"]).write_text("\n".join(json.dumps(row) for row in rows))
    posts = read_labelled(str(tmp_path), "crisis")
    assert (posts.texts, posts.labels) == (["a", "b", "c"], ["fire", "flood"])
    assert posts.expected.tolist() == [[False, True], [False, False], [True, True]]
    assert not posts.one_label_a_post


@pytest.mark.parametrize("content", [None, "{", '{"text": "a"}', "3"])
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / FILES["crisis"]).write_text(content)
    with pytest.raises(NoLabelledPosts, match=FILES["crisis"]) as caught:
        read_labelled(str(tmp_path), "crisis")
    assert "\n" not in str(caught.value)


def test_without_labelled_posts_the_command_says_so_in_one_line() -> None:
    variables = {name: value for name, value in os.environ.items() if name != "LABELLED_POSTS_DIR"}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    ended = subprocess.run(
        [sys.executable, "-m", "bench.model_quality"], env=variables, capture_output=True, text=True, timeout=60
    )
    expected = "bench-model-quality: LABELLED_POSTS_DIR: expected a folder of labelled posts, got nothing\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", expected)


def figures_of(macro_f1: float, precision: float, ranking_: float) -> Figures:
    without = Measures(0.7, 0.7, 0.5, 0.7, 0.7, 0.6)
    taught = [Measures(ranking_, macro_f1 + part, precision, 0.8, 0.7, 0.6) for part in (-0.01, 0.01)]
    crisis = Compared("crisis", 650, 12, without, {1: taught, 5: taught}, {1: taught, 5: taught})
    half = AtThresholds(0.5, 0.5, 0.5, 0.5)
    return Figures(2, [crisis], FrozenHalf(half, half, half))


def test_figures_within_their_bounds_break_none_and_end_in_json() -> None:
    figures = figures_of(macro_f1=0.8, precision=0.4, ranking_=0.75)
    assert broken_bounds(figures) == []
    content = json.loads(json.dumps(as_json(figures)))
    assert content["crisis_f1_gain_5_examples"] == pytest.approx(0.1)
    assert content["sets"]["crisis"]["examples"]["5"]["macro_f1"] == pytest.approx(0.8)
    assert "0.800 ±0.010" in table(figures)


def test_each_figure_out_of_its_bounds_is_named() -> None:
    broken = broken_bounds(figures_of(macro_f1=0.72, precision=0.2, ranking_=0.6))
    assert [line.split(":")[0] for line in broken] == [
        "crisis_f1_gain_5_examples",
        "least_map_gain",
        "crisis_precision_gain_5_examples",
    ]
