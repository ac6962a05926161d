"""How many texts a call may have: it grows while calls are quick, and shrinks when one is slow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.batch_size import BatchSize
from classifier.cases import Judged
from classifier.endpoint_errors import ContentRefused, EndpointFailed
from tests.support.classifier_parts import Lines, ScriptedModel, Serve, whenever


def full(size: BatchSize, seconds: float, labels: int = 1) -> None:
    size.answered(size.for_labels(labels), labels, seconds)


def grown(most: int = 32, most_pairs: int = 100_000) -> BatchSize:
    size = BatchSize(most, most_pairs)
    for _ in range(most.bit_length()):
        full(size, 0.1)
    assert size.texts == most
    return size


def test_it_doubles_while_calls_are_quick_up_to_the_most() -> None:
    size = BatchSize(20, 100_000)
    seen = [size.texts]
    for _ in range(4):
        full(size, 0.1)
        seen.append(size.texts)
    assert seen == [4, 8, 16, 20, 20]


def test_the_first_call_is_no_larger_than_the_most() -> None:
    assert BatchSize(1, 100).texts == 1


def test_a_call_that_was_not_full_says_nothing() -> None:
    size = BatchSize(32, 100_000)
    size.answered(3, 1, 0.1)
    assert size.texts == 4


def test_a_call_that_took_its_time_leaves_it() -> None:
    size = BatchSize(32, 100_000)
    full(size, 3.0)
    assert size.texts == 4


def test_a_slow_call_halves_it_and_from_then_on_it_grows_by_one() -> None:
    size = grown()
    full(size, 9.0)
    seen = [size.texts]
    for _ in range(3):
        full(size, 0.1)
        seen.append(size.texts)
    assert seen == [16, 17, 18, 19]


def test_calls_of_one_size_that_are_all_slow_are_one_piece_of_news() -> None:
    size = grown()
    for _ in range(4):
        size.too_much(32)
    assert size.texts == 16


def test_a_small_call_that_is_slow_says_more_than_a_large_one() -> None:
    size = grown()
    size.too_much(8)
    assert size.texts == 4


def test_it_never_falls_below_one_text() -> None:
    size = grown()
    for _ in range(10):
        size.too_much(size.texts)
    assert size.texts == 1
    full(size, 0.1)
    assert size.texts == 2


@pytest.mark.parametrize(("labels", "texts"), [(1, 32), (10, 32), (20, 16), (100, 3), (320, 1), (1000, 1)])
def test_texts_times_labels_are_bounded_but_one_text_is_always_allowed(labels: int, texts: int) -> None:
    assert grown(32, 320).for_labels(labels) == texts


def test_a_call_that_is_full_by_its_pairs_is_a_full_one() -> None:
    size = BatchSize(32, 40)
    assert size.for_labels(20) == 2
    full(size, 0.1, labels=20)
    assert size.texts == 8


@pytest.mark.parametrize("bounds", [(0, 1), (1, 0)])
def test_a_bound_below_one_is_a_bug(bounds: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="bounds of 1 or more"):
        BatchSize(*bounds)


@given(
    st.integers(1, 100),
    st.integers(1, 5000),
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 150), st.floats(0, 20))),
)
def test_whatever_comes_the_bounds_hold(most: int, most_pairs: int, calls: list[tuple[int, int, float]]) -> None:
    size = BatchSize(most, most_pairs)
    for texts, labels, seconds in calls:
        size.answered(texts, labels, seconds)
        allowed = size.for_labels(labels)
        assert 1 <= allowed <= most
        assert allowed == 1 or allowed * labels <= most_pairs


# what callers find out

FAILED = EndpointFailed("the model answered 500: out of memory")
REFUSED = ContentRefused("413")
TEXTS = [f"text number {number}" for number in range(32)]


def size_after_a_batch_of_32(serve: Serve) -> int:
    bench = Lines(ScriptedModel(serve))
    bench.size = grown()
    told = bench.judge(*TEXTS)
    assert sum(isinstance(answer, Judged) for answer in told.values()) >= 31
    return bench.size.texts


@pytest.mark.parametrize("error", [FAILED, REFUSED], ids=["fails", "refuses"])
@pytest.mark.parametrize("borne", [8, 16])
def test_a_batch_whose_halves_are_judged_was_too_large(error: Exception, borne: int) -> None:
    size = size_after_a_batch_of_32(lambda texts: error if len(texts) > borne else None)
    # calls of that size that were quick have let it grow by one again
    assert borne <= size <= borne + 1


@pytest.mark.parametrize("error", [FAILED, REFUSED], ids=["fails", "refuses"])
def test_a_batch_with_a_text_that_is_at_fault_says_nothing_of_its_size(error: Exception) -> None:
    assert size_after_a_batch_of_32(whenever(TEXTS[7], error)) == 32
