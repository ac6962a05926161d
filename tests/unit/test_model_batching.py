"""Which texts run together, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zero_shot_model.batching import (
    LENGTH_STEP,
    MAX_BATCH_TEXTS,
    MAX_BATCH_TOKENS,
    TextQueue,
    TokenisedText,
    rounded_length,
)

jobs_of_lengths = st.lists(st.lists(st.integers(2, 256), max_size=60), max_size=6)


def texts_of(job: str, lengths: list[int]) -> list[TokenisedText[str]]:
    return [TokenisedText(job, row, range(length)) for row, length in enumerate(lengths)]


def queue_of(jobs: list[list[int]]) -> TextQueue[str]:
    queue: TextQueue[str] = TextQueue()
    for number, lengths in enumerate(jobs):
        queue.add(texts_of(f"job {number}", lengths))
    return queue


def batches_of(queue: TextQueue[str]) -> list[list[TokenisedText[str]]]:
    batches = []
    while queue:
        batches.append(queue.next_batch())
    return batches


def test_lengths_are_rounded_up_to_multiples_of_eight() -> None:
    assert [rounded_length(tokens) for tokens in (2, 8, 9, 256)] == [8, 8, 16, 256]


@given(jobs_of_lengths)
def test_every_text_is_in_exactly_one_batch(jobs: list[list[int]]) -> None:
    ran = [(text.job, text.row) for batch in batches_of(queue_of(jobs)) for text in batch]
    expected = [(f"job {number}", row) for number, lengths in enumerate(jobs) for row in range(len(lengths))]
    assert sorted(ran) == expected


@given(jobs_of_lengths)
def test_a_batch_is_bounded_and_of_one_rounded_length(jobs: list[list[int]]) -> None:
    for batch in batches_of(queue_of(jobs)):
        (length,) = {rounded_length(len(text.token_ids)) for text in batch}
        assert length % LENGTH_STEP == 0
        assert len(batch) <= MAX_BATCH_TEXTS
        assert len(batch) == 1 or len(batch) * length <= MAX_BATCH_TOKENS


@given(jobs_of_lengths)
def test_the_oldest_job_leads_every_second_batch(jobs: list[list[int]]) -> None:
    queue = queue_of(jobs)
    left = {f"job {number}": len(lengths) for number, lengths in enumerate(jobs) if lengths}
    turn = 0
    while queue:
        oldest = next(iter(left))
        batch = queue.next_batch()
        if turn % 2 == 0:
            assert batch[0].job == oldest
        for text in batch:
            left[text.job] -= 1
            if left[text.job] == 0:
                del left[text.job]
        turn += 1


def test_the_texts_of_a_job_lead_in_their_order() -> None:
    led = [batch[0].row for batch in batches_of(queue_of([[200, 100, 250, 30, 60]]))]
    assert led == [0, 1, 2, 3, 4]


def test_texts_of_one_length_share_a_batch_whosever_they_are() -> None:
    (batch,) = batches_of(queue_of([[20, 24], [17], [23]]))
    assert [text.job for text in batch] == ["job 0", "job 0", "job 1", "job 2"]


@pytest.mark.parametrize("length", [20, 50])
def test_a_single_text_behind_a_long_list_waits_for_two_batches_at_most(length: int) -> None:
    queue = queue_of([[20] * 512])
    for _ in range(3):
        queue.next_batch()
    queue.add(texts_of("single", [length]))
    led = [text.job for batch in (queue.next_batch(), queue.next_batch()) for text in batch]
    assert "single" in led


def test_a_long_list_goes_on_however_many_single_texts_come_after_it() -> None:
    queue = queue_of([[20] * 40])
    ran = 0
    for number in range(12):
        queue.add(texts_of(f"single {number}", [50]))
        ran += sum(text.job == "job 0" for text in queue.next_batch())
    assert ran == 40


def test_a_batch_may_be_bounded_further() -> None:
    assert [len(queue_of([[20] * 9]).next_batch(most)) for most in (1, 4, 100)] == [1, 4, 9]


def test_what_is_dropped_does_not_run() -> None:
    queue = queue_of([[20] * 5, [20, 50]])
    assert (queue.drop("job 0"), queue.drop("job 0"), len(queue)) == (5, 0, 2)
    assert {text.job for batch in batches_of(queue) for text in batch} == {"job 1"}


def test_nothing_waits_in_an_empty_queue() -> None:
    with pytest.raises(IndexError, match="no text waits"):
        TextQueue[str]().next_batch()
