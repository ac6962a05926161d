"""The measures by which the model is judged, on cases worked out by hand."""

import pytest

from tests.support.ranking_metrics import average_precision, macro_f1


def test_a_perfect_ranking_has_an_average_precision_of_one() -> None:
    assert average_precision([False, True, True], [0.1, 0.8, 0.9]) == 1


def test_average_precision_is_the_mean_precision_at_each_hit() -> None:
    assert average_precision([True, False, True], [0.9, 0.8, 0.7]) == pytest.approx((1 / 1 + 2 / 3) / 2)


def test_macro_f1_counts_false_hits_on_posts_of_no_label() -> None:
    expected = ["flood", "flood", "fire", "none"]
    chosen = ["flood", "none", "fire", "fire"]
    assert macro_f1(expected, chosen, ["flood", "fire"]) == pytest.approx((2 / 3 + 2 / 3) / 2)
