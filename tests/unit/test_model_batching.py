"""Which texts run together."""

from hypothesis import given
from hypothesis import strategies as st

from zero_shot_model.batching import (
    LENGTH_STEP,
    MAX_BATCH_TEXTS,
    MAX_BATCH_TOKENS,
    plan_batches,
    rounded_length,
)

lengths_of_texts = st.lists(st.integers(2, 256), max_size=200)


def test_lengths_are_rounded_up_to_multiples_of_eight() -> None:
    assert [rounded_length(tokens) for tokens in (2, 8, 9, 256)] == [8, 8, 16, 256]


@given(lengths_of_texts)
def test_every_text_is_in_exactly_one_batch(lengths: list[int]) -> None:
    assert sorted(index for batch in plan_batches(lengths) for index in batch) == list(range(len(lengths)))


@given(lengths_of_texts)
def test_a_batch_is_bounded_in_texts_and_in_tokens(lengths: list[int]) -> None:
    for batch in plan_batches(lengths):
        assert len(batch) <= MAX_BATCH_TEXTS
        assert len(batch) * rounded_length(max(lengths[index] for index in batch)) <= MAX_BATCH_TOKENS


@given(lengths_of_texts)
def test_texts_of_a_batch_differ_by_one_step_at_most(lengths: list[int]) -> None:
    for batch in plan_batches(lengths):
        rounded = [rounded_length(lengths[index]) for index in batch]
        assert max(rounded) - min(rounded) <= LENGTH_STEP


def test_texts_of_equal_length_share_a_batch() -> None:
    assert list(plan_batches([20] * 40)) == [list(range(32)), list(range(32, 40))]
