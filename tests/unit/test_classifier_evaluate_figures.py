"""The figures of an evaluation against hand-made cases and against their definitions."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.evaluate.chance import holm, interval, mcnemar, word
from classifier.evaluate.curve import NEVER, Curve, Point, between, thinned
from classifier.evaluate.exact import exact
from classifier.evaluate.folds import dealt, unseen_passes
from classifier.evaluate.goal import Goal, Measure
from tests.support.ranking_metrics import average_precision

#: Scores in steps, so that some are equal, and posts that can never pass.
POSTS = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20) | st.just(NEVER), st.booleans()), max_size=60)
GOALS = [Goal(), Goal(Measure.PRECISION, 0.8), Goal(Measure.RECALL, 0.7), Goal(Measure.PRECISION, 1.0)]


def curve_of(posts: Sequence[tuple[float, bool]]) -> Curve:
    ranked = sorted(posts, key=lambda post: -post[0])
    return Curve([score for score, _ in ranked], [int(is_about) for _, is_about in ranked])


def counts(posts: Sequence[tuple[float, bool]], threshold: float) -> tuple[int, int]:
    """Hits and passed."""
    passed = [is_about for score, is_about in posts if score != NEVER and score >= threshold]
    return sum(passed), len(passed)


def test_a_hand_made_curve() -> None:
    curve = curve_of([(0.9, True), (0.8, False), (0.7, True), (0.7, False), (0.1, False), (NEVER, True)])
    assert curve.positives == 3
    assert curve.points == [Point(0.9, 1, 1), Point(0.8, 2, 1), Point(0.7, 4, 2), Point(0.1, 5, 2)]
    # scikit-learn: sum of precision times gain in recall; the post that can never pass is not found
    assert curve.average_precision() == pytest.approx((1 / 1 + 2 / 4) / 3)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), unique_by=lambda post: post[0], max_size=40))
def test_average_precision_is_the_mean_precision_at_each_hit(posts: list[tuple[float, bool]]) -> None:
    expected = None
    if any(is_about for _, is_about in posts):
        expected = pytest.approx(average_precision([is_about for _, is_about in posts], [score for score, _ in posts]))
    assert curve_of(posts).average_precision() == expected


@given(POSTS, st.sampled_from(GOALS))
def test_no_threshold_is_better_than_the_one_chosen(posts: list[tuple[float, bool]], goal: Goal) -> None:
    curve = curve_of(posts)
    ranks = []
    for threshold in {score for score, _ in posts if score != NEVER}:
        hits, passed = counts(posts, threshold)
        ranks.append(goal.rank(hits, passed, curve.positives))
    reached = [rank for rank in ranks if rank]
    point = curve.best(goal)
    assert (point is None) == (not reached)
    if point is not None:
        hits, passed = counts(posts, curve.threshold(point))
        assert goal.rank(hits, passed, curve.positives) == max(reached)
        assert (hits, passed) == (curve.points[point].hits, curve.points[point].passed)


def test_each_goal_in_its_own_way() -> None:
    posts = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.5, False), (0.4, False), (0.3, True)]
    curve = curve_of(posts)

    def chosen(goal: Goal) -> tuple[int, int] | None:
        point = curve.best(goal)
        return None if point is None else (curve.points[point].hits, curve.points[point].passed)

    assert chosen(Goal()) == (3, 4)
    assert chosen(Goal(Measure.PRECISION, 0.9)) == (2, 2)
    assert chosen(Goal(Measure.RECALL, 1.0)) == (4, 7)
    assert chosen(Goal(Measure.RECALL, 0.25)) == (2, 2), "of those with recall enough the most precise"
    assert curve_of([(0.9, False), (0.8, True)]).best(Goal(Measure.PRECISION, 0.9)) is None
    assert Goal(Measure.PRECISION, 0.28).rank(7, 25, 25) == (7, 0.28), "in floats 0.28 * 25 is more than 7"


@pytest.mark.parametrize("measure", [Measure.PRECISION, Measure.RECALL])
def test_a_goal_is_reached_by_just_as_much(measure: Measure) -> None:
    for percent in range(1, 101):
        goal = Goal(measure, percent / 100)
        for of in range(1, 101):
            for hits in {percent * of // 100, -(-percent * of // 100)} - {0}:
                assert (goal.rank(hits, of, of) is not None) == (100 * hits >= percent * of), (percent, hits, of)


@pytest.mark.parametrize(
    ("number", "told"),
    [(0.9999999, "0.9999999"), (0.1 + 0.2, "0.30000000000000004"), (1.0, "1"), (0.0, "0"), (0.55, "0.55")],
)
def test_numbers_are_told_in_full_and_short_where_that_is_the_same(number: float, told: str) -> None:
    assert exact(number) == told
    assert str(Goal(Measure.RECALL, number)) == f"recall of {told} at least"


def test_a_threshold_is_short_and_between_the_scores() -> None:
    assert between(0.43121, 0.47211) == 0.45
    assert between(0.0, 1.0) == 0.5
    assert 0.4312 < between(0.4312, 0.43121) <= 0.43121
    assert between(0.3, math.nextafter(0.3, 1)) == math.nextafter(0.3, 1)
    assert between(0.0, 0.0) == 0.0


@given(POSTS, st.integers(3, 20))
def test_a_thinned_curve_keeps_its_ends_and_is_bounded(posts: list[tuple[float, bool]], most: int) -> None:
    points = curve_of(posts).points
    kept = thinned(points, most)
    assert len(kept) <= most
    assert [point for point in points if point in kept] == kept
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_posts_that_say_the_same_are_dealt_together_and_hits_evenly() -> None:
    keys = [number // 2 for number in range(120)]
    about = [1 if key < 20 else 0 for key in keys]
    parts = dealt(keys, about, parts=10)
    assert all(parts[index] == parts[index + 1] for index in range(0, 120, 2))
    hits = [sum(1 for index in range(120) if parts[index] == part and about[index]) for part in range(10)]
    assert hits == [4] * 10


@given(POSTS, st.sampled_from(GOALS))
def test_unseen_posts_are_judged_by_a_threshold_chosen_without_them(
    posts: list[tuple[float, bool]], goal: Goal
) -> None:
    """The fast way against the plain one: a curve of the others for each part."""
    scores, about = [score for score, _ in posts], [int(is_about) for _, is_about in posts]
    parts = bytearray(index % 3 for index in range(len(posts)))
    order = sorted(range(len(posts)), key=lambda index: -scores[index])
    passes = unseen_passes(order, scores, about, parts, goal)
    for part in range(3):
        others = curve_of([posts[index] for index in range(len(posts)) if parts[index] != part])
        point = others.best(goal)
        threshold = math.inf if point is None else others.threshold(point)
        for index in range(len(posts)):
            if parts[index] == part:
                assert passes[index] == (scores[index] != NEVER and scores[index] >= threshold)


def test_a_threshold_that_fits_chance_is_found_out() -> None:
    """Scores that say nothing: the best F1 on the posts themselves flatters, on unseen ones it does not."""
    scores = [(index * 7919 % 1000) / 1000 for index in range(60)]
    about = [int(index * 104_729 % 10 < 3) for index in range(60)]
    order = sorted(range(60), key=lambda index: -scores[index])
    passes = unseen_passes(order, scores, about, dealt(range(60), about), Goal(Measure.PRECISION, 0.7))
    curve = Curve([scores[index] for index in order], [about[index] for index in order])
    point = curve.best(Goal(Measure.PRECISION, 0.7))
    seen = curve.points[point].precision if point is not None else 1.0
    hits = sum(1 for passed, is_about in zip(passes, about, strict=True) if passed and is_about)
    assert hits / max(1, sum(passes)) < seen


def test_the_interval_is_wilsons() -> None:
    low, high = interval(8, 10) or (0.0, 0.0)
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    assert interval(0, 0) is None
    assert interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert (interval(0, 5) or (1.0,))[0] == 0.0
    for posts in range(1, 200):
        assert (interval(posts, posts) or (0.0, 0.0))[1] == 1.0, "all of them is no doubt of all of them"
        assert (interval(0, posts) or (1.0, 1.0))[0] == 0.0


def test_mcnemar_is_exact_and_goes_over_into_the_normal_distribution() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 5) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(1, 9) == mcnemar(9, 1) == pytest.approx(2 * 11 / 1024)
    # on both sides of the bound the two ways agree
    assert mcnemar(460, 540) == pytest.approx(mcnemar(461, 541), abs=0.002)
    assert mcnemar(40_000, 60_000) < 1e-9


def test_several_comparisons_need_more_than_one() -> None:
    assert holm([0.01, 0.04, 0.03]) == [pytest.approx(0.03), pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_the_words() -> None:
    assert word(1, 20, 0.001) == "better"
    assert word(20, 1, 0.001) == "worse"
    assert word(3, 5, 0.7) == "no clear difference"
