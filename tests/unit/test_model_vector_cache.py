"""Which vectors are kept, how texts are encoded, and several threads at it."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.polling import wait_until
from zero_shot_model.encoder import Vectors
from zero_shot_model.errors import EncoderClosed
from zero_shot_model.vector_cache import TOGETHER, VectorCache


class CountingEncoder:
    """Numbers its vectors, so that each is another; remembers what it was asked, list by list."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.fail_after: int | None = None
        self._lock = threading.Lock()
        self._number = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            if self.fail_after is not None and len(self.asked) >= self.fail_after:
                raise EncoderClosed
            self.asked.append(list(texts))
            numbers = np.arange(self._number, self._number + len(texts), dtype=np.float32)
            self._number += len(texts)
        return np.stack([numbers, numbers], axis=1)


def test_new_texts_are_encoded_once_each_and_together() -> None:
    encoder = CountingEncoder()
    VectorCache(encoder, 10).vectors_of(["a", "b", "a"])
    assert encoder.asked == [["a", "b"]]


def test_many_texts_are_not_encoded_all_at_once() -> None:
    encoder = CountingEncoder()
    VectorCache(encoder, 100).vectors_of([f"post {number}" for number in range(TOGETHER + 2)])
    assert [len(texts) for texts in encoder.asked] == [TOGETHER, 2]


def test_vectors_come_in_the_order_of_the_texts_each_the_same_every_time() -> None:
    cache = VectorCache(CountingEncoder(), 10)
    first = cache.vectors_of(["a", "b", "c"])
    again = cache.vectors_of(["c", "a", "new", "a"])
    assert np.array_equal(again[[0, 1, 3]], first[[2, 0, 0]])


def test_what_was_used_longest_ago_is_forgotten_first() -> None:
    encoder = CountingEncoder()
    cache = VectorCache(encoder, 2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.vectors_of([text])
    assert encoder.asked == [["a"], ["b"], ["c"], ["b"]]


def test_more_texts_than_it_holds_are_answered_all_the_same() -> None:
    vectors = VectorCache(CountingEncoder(), 1).vectors_of(["a", "b", "c"])
    assert vectors[:, 0].tolist() == [0, 1, 2]


def test_what_was_done_before_a_failure_is_not_done_again() -> None:
    encoder = CountingEncoder()
    cache = VectorCache(encoder, 100)
    texts = [f"post {number}" for number in range(2 * TOGETHER)]
    encoder.fail_after = 1
    with pytest.raises(EncoderClosed):
        cache.vectors_of(texts)
    encoder.fail_after = None
    cache.vectors_of(texts)
    assert encoder.asked == [texts[:TOGETHER], texts[TOGETHER:]]


def test_a_known_text_is_answered_while_another_thread_waits_for_the_encoder() -> None:
    class Gated(CountingEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.gate = threading.Event()
            self.waiting = threading.Event()

        def encode(self, texts: Sequence[str]) -> Vectors:
            if "slow" in texts:
                self.waiting.set()
                assert self.gate.wait(20)
            return super().encode(texts)

    encoder = Gated()
    cache = VectorCache(encoder, 10)
    known = cache.vectors_of(["quick"])
    results: list[Vectors] = []
    threads = [
        threading.Thread(target=lambda: results.append(cache.vectors_of(["slow"])), daemon=True) for _ in range(2)
    ]
    threads[0].start()
    wait_until(encoder.waiting.is_set, "the encoder to be asked")
    threads[1].start()
    assert np.array_equal(cache.vectors_of(["quick"]), known)
    encoder.gate.set()
    for thread in threads:
        thread.join(20)
    # Whether or not both encoded it, one vector counts for all.
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(cache.vectors_of(["slow"]), results[0])


def test_many_threads_over_few_places_get_the_right_vectors() -> None:
    class ByName(CountingEncoder):
        def encode(self, texts: Sequence[str]) -> Vectors:
            return np.array([[float(text)] for text in texts], np.float32)

    cache = VectorCache(ByName(), 5)
    wrong: list[list[float]] = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(200):
            numbers = random.integers(0, 20, 8).astype(float).tolist()
            found = cache.vectors_of([str(number) for number in numbers])[:, 0].tolist()
            if found != numbers:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
