"""What examples and counter-examples do to labels, on vectors small enough to work out by hand."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from zero_shot_model.encoder import Vectors
from zero_shot_model.examples import NO_EXAMPLES, LabelExamples, Likeness, TaughtLabels, teach

# Unit vectors. "fire" and "smoke" are examples of "wildfire", whose sentence is the first axis.
VECTORS = {
    "wildfire": (1.0, 0.0, 0.0),
    "flood": (0.0, 0.0, 1.0),
    "fire": (0.6, 0.8, 0.0),
    "smoke": (0.0, 1.0, 0.0),
    "ashes": (0.28, 0.96, 0.0),
    "fireworks": (0.8, 0.0, 0.6),
}
USUAL = 0.4


def vectors_of(texts: Sequence[str]) -> Vectors:
    return np.array([VECTORS[text] for text in texts], np.float32)


def usual_likeness(vectors: Vectors) -> Likeness:
    return np.full(len(vectors), USUAL)


def taught(
    labels: Sequence[str],
    examples: dict[str, list[str]] | None = None,
    counter_examples: dict[str, list[str]] | None = None,
    usual: Callable[[Vectors], Likeness] = usual_likeness,
) -> TaughtLabels:
    given = LabelExamples(examples or {}, counter_examples or {})
    return teach(labels, vectors_of(labels), given, vectors_of, usual)


def likeness(labels: TaughtLabels, *texts: str) -> Likeness:
    return labels.likeness(vectors_of(texts))


def test_without_examples_the_likeness_is_the_cosine_to_the_last_bit() -> None:
    labels = ["wildfire", "flood"]
    expected = (vectors_of(["fire", "fireworks"]) @ vectors_of(labels).T).astype(np.float64)
    untouched = teach(labels, vectors_of(labels), NO_EXAMPLES, vectors_of, usual_likeness)
    assert np.array_equal(likeness(untouched, "fire", "fireworks"), expected)


def test_one_example_moves_the_vector_by_three_tenths_and_the_scale_by_the_rule() -> None:
    vector = np.array([1 + 0.3 * 0.6, 0.3 * 0.8, 0.0])
    length = np.linalg.norm(vector)
    by_vector = (0.6 + 0.3 * 0.25) / length  # another post of the kind is as like the example as is usual: 0.25
    shift = by_vector - (by_vector + 0.6 + USUAL) / 3
    found = likeness(taught(["wildfire"], {"wildfire": ["fire"]}), "smoke", "fire")
    assert found[:, 0] == pytest.approx([vector[1] / length - shift, (vector @ VECTORS["fire"]) / length - shift])


def test_of_several_examples_the_mean_counts_and_how_like_they_are_to_each_other() -> None:
    weight = 3 * 2 / (2 + 9)
    mean = np.array([0.3, 0.9, 0.0])
    vector = np.array([1.0, 0.0, 0.0]) + weight * mean
    length = np.linalg.norm(vector)
    mutual = (0.8 + 0.25) / 2  # the one pair of examples, and one pair of the usual likeness
    by_vector = (0.3 + weight * mutual) / length
    shift = by_vector - (by_vector + 0.3 + USUAL) / 3
    found = likeness(taught(["wildfire"], {"wildfire": ["fire", "smoke"]}), "ashes")
    assert found[0, 0] == pytest.approx((vector @ VECTORS["ashes"]) / length - shift)


def test_more_examples_weigh_more() -> None:
    # With the same mean and the usual likeness as it were, what is left is the weight.
    one, many = (taught(["wildfire"], {"wildfire": ["smoke"] * count}) for count in (1, 16))
    gap_one, gap_many = (likeness(labels, "smoke", "wildfire")[:, 0] for labels in (one, many))
    assert gap_many[0] - gap_many[1] > gap_one[0] - gap_one[1]


def test_examples_of_one_label_leave_the_others_as_they_are() -> None:
    labels = ["flood", "wildfire"]
    found = likeness(taught(labels, {"wildfire": ["fire", "smoke"]}), "fireworks", "ashes")
    assert np.array_equal(found[:, 0], likeness(taught(["flood"]), "fireworks", "ashes")[:, 0])


def test_each_label_gets_its_own_examples_whatever_the_order() -> None:
    examples = {"flood": ["fireworks"], "wildfire": ["fire", "smoke"]}
    there = likeness(taught(["wildfire", "flood"], examples), "ashes")[0]
    back = likeness(taught(["flood", "wildfire"], examples), "ashes")[0]
    alone = likeness(taught(["wildfire"], {"wildfire": ["fire", "smoke"]}), "ashes")[0]
    assert there == pytest.approx(back[::-1])
    assert there[0] == pytest.approx(alone[0])


def test_a_label_named_twice_is_taught_twice() -> None:
    found = likeness(taught(["wildfire", "wildfire"], {"wildfire": ["fire"]}), "ashes")[0]
    assert found[0] == found[1]


def test_a_text_nearer_to_a_counter_example_loses_half_of_the_difference() -> None:
    plain = likeness(taught(["wildfire"]), "fireworks")[0, 0]
    labels = taught(["wildfire"], counter_examples={"wildfire": ["flood", "fireworks"]})
    assert plain == pytest.approx(0.8)
    assert likeness(labels, "fireworks")[0, 0] == pytest.approx(0.8 - (1.0 - 0.8) / 2)


def test_a_text_nearer_to_the_label_loses_nothing_to_its_counter_examples() -> None:
    labels = taught(["wildfire"], counter_examples={"wildfire": ["fireworks"]})
    assert np.array_equal(likeness(labels, "fire", "wildfire"), likeness(taught(["wildfire"]), "fire", "wildfire"))


def test_counter_examples_of_one_label_leave_the_others_as_they_are() -> None:
    labels = ["flood", "wildfire"]
    found = likeness(taught(labels, counter_examples={"wildfire": ["fireworks"]}), "fireworks")[0]
    assert found[0] == likeness(taught(labels), "fireworks")[0, 0]
    assert found[1] < likeness(taught(labels), "fireworks")[0, 1]


def test_a_label_whose_words_are_ill_chosen_is_lifted_by_its_examples() -> None:
    """Its words alone give its own examples less than is usual: the scale takes a third of that in."""

    def when_usual(usual: float) -> float:
        labels = taught(["wildfire"], {"wildfire": ["smoke"]}, usual=lambda vectors: np.full(len(vectors), usual))
        return float(likeness(labels, "ashes")[0, 0])

    assert when_usual(0.3) - when_usual(0.0) == pytest.approx(0.1)
