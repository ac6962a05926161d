"""Judgements that are kept: how long, how many, and what they cost."""

import gc
import random
import tracemalloc
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier import judgement_cache
from classifier.cases import Judged
from classifier.judgement_cache import JudgementCache
from classifier.same_text import key_of
from pipeline.contracts import MatchedRule
from tests.support.classifier_parts import labels_of
from tests.support.examples import a_post

SET = labels_of({"name": "quake"}).everything
#: Bytes that an entry with one score is counted with.
ONE = judgement_cache._ENTRY_BYTES + judgement_cache._SCORE_BYTES


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> judgement_cache.Key:
    return key_of(f"text number {number}"), SET.id


def judged(*scores: float) -> Judged:
    return Judged(scores, "minilm")


def test_what_was_put_is_had_again() -> None:
    cache = JudgementCache(10 * ONE, 60.0, Clock())
    cache.put(key(1), judged(0.25))
    found = cache.get(key(1))
    assert found is not None
    assert (list(found.scores), found.model) == ([0.25], "minilm")
    assert cache.get(key(2)) is None
    assert len(cache) == 1


def test_the_same_text_about_other_labels_is_something_else() -> None:
    cache = JudgementCache(10 * ONE, 60.0, Clock())
    cache.put((key_of("the same text"), SET.id), judged(0.25))
    assert cache.get((key_of("the same text"), labels_of({"name": "quake"}).everything.id)) is None


@pytest.mark.parametrize(("seconds", "is_there"), [(59.9, True), (60.0, False)])
def test_it_is_kept_for_so_long(seconds: float, is_there: bool) -> None:
    clock = Clock()
    cache = JudgementCache(10 * ONE, 60.0, clock)
    cache.put(key(1), judged(0.25))
    clock.now += seconds
    assert (cache.get(key(1)) is not None) is is_there
    assert len(cache) == is_there


def test_to_be_used_does_not_make_it_younger_and_to_be_judged_anew_does() -> None:
    clock = Clock()
    cache = JudgementCache(10 * ONE, 60.0, clock)
    cache.put(key(1), judged(0.25))
    cache.put(key(2), judged(0.25))
    clock.now += 40
    assert cache.get(key(1)) is not None
    cache.put(key(2), judged(0.75))
    clock.now += 40
    assert cache.get(key(1)) is None
    found = cache.get(key(2))
    assert found is not None
    assert list(found.scores) == [0.75]


def test_what_was_used_least_recently_goes_first() -> None:
    cache = JudgementCache(3 * ONE, 60.0, Clock())
    for number in (1, 2, 3):
        cache.put(key(number), judged(0.25))
    cache.get(key(1))
    cache.put(key(4), judged(0.25))
    assert [number for number in (1, 2, 3, 4) if cache.get(key(number))] == [1, 3, 4]


def test_one_that_is_larger_than_all_the_room_is_not_kept_and_harms_none_that_come() -> None:
    cache = JudgementCache(2 * ONE, 60.0, Clock())
    cache.put(key(1), judged(*[0.5] * 1000))
    assert len(cache) == 0
    cache.put(key(2), judged(0.5))
    cache.put(key(3), judged(0.5))
    assert len(cache) == 2


def test_once_cleared_it_is_empty_and_has_all_its_room() -> None:
    cache = JudgementCache(2 * ONE, 60.0, Clock())
    cache.put(key(1), judged(0.5))
    cache.clear()
    assert (len(cache), cache.get(key(1))) == (0, None)
    cache.put(key(2), judged(0.5))
    cache.put(key(3), judged(0.5))
    assert len(cache) == 2


@given(st.lists(st.tuples(st.sampled_from(["put", "get", "clear"]), st.integers(0, 9), st.integers(1, 60))))
def test_it_never_counts_more_than_its_bytes_nor_less_than_it_holds(steps: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    cache = JudgementCache(5 * ONE, 60.0, clock)
    for step, number, much in steps:
        if step == "put":
            cache.put(key(number), judged(*[0.5] * much))
        elif step == "get":
            clock.now += much
            cache.get(key(number))
        else:
            cache.clear()
        held = [len(kept.scores) for _until, kept in cache._entries.values()]
        counted = sum(judgement_cache._ENTRY_BYTES + judgement_cache._SCORE_BYTES * scores for scores in held)
        assert cache._bytes == counted <= 5 * ONE


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("labels", [1, 20, 100])
@pytest.mark.usefixtures("traced")
def test_an_entry_takes_about_the_bytes_that_it_is_counted_with(labels: int) -> None:
    # a table has just grown then, and is at its emptiest
    count = 5_500
    cache = JudgementCache(100_000_000, 60.0, Clock())
    before, _ = tracemalloc.get_traced_memory()
    for number in range(count):
        cache.put(
            (key_of(f"text number {number}"), SET.id),
            Judged([(number + 1) / (count + place) for place in range(labels)], SET.candidates[0]),
        )
    after, _ = tracemalloc.get_traced_memory()
    counted = judgement_cache._ENTRY_BYTES + judgement_cache._SCORE_BYTES * labels
    # rather too much than too little: the bound is what a task's memory is planned by
    assert 0.6 * counted <= (after - before) / count <= counted


@pytest.mark.usefixtures("traced")
def test_an_entry_about_labels_that_no_other_is_about_takes_no_more() -> None:
    """Whoever writes posts chooses by their words which rules, and so which combination of labels, they are about."""
    count, letters = 1_500, [f"tag {number}" for number in range(150)]
    labels = labels_of(*({"name": letter, "only_rules": [letter]} for letter in letters))
    cache = JudgementCache(100_000_000, 60.0, Clock())
    with patch("classifier.labels._KEPT_SETS", 1):
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            tags = [MatchedRule(id=tag, tag=tag) for tag in random.Random(number).sample(letters, 20)]
            label_set = labels.for_post(a_post(rules=tags))
            assert label_set
            cache.put((key_of(f"text number {number}"), label_set.id), judged(*[0.5] * 20))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    counted = judgement_cache._ENTRY_BYTES + judgement_cache._SCORE_BYTES * 20
    assert (after - before) / count <= counted
