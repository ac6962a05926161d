"""Threads that run texts, over streams that wait until they are let go."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from tests.support.polling import wait_until
from zero_shot_model.dynamic_batching import DynamicBatcher, Job
from zero_shot_model.errors import CallerGone, EncoderClosed
from zero_shot_model.metrics import EncoderMetrics
from zero_shot_model.openvino_model import DIMENSIONS, Vectors

DEADLINE_SECONDS = 20


class GatedStream:
    """Makes vectors that hold a text's first token id, once `gate` is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[int]] = []
        self.failure: Exception | None = None

    def run(self, batch: Sequence[Sequence[int]]) -> Vectors:
        self.batches.append([ids[0] for ids in batch])
        assert self.gate.wait(DEADLINE_SECONDS)
        if self.failure is not None:
            raise self.failure
        return np.array([[ids[0]] * DIMENSIONS for ids in batch], np.float32)


class Bench:
    """A batcher, its streams, and threads that wait for jobs."""

    def __init__(self, streams: int, clock: Callable[[], float]) -> None:
        self.streams = [GatedStream() for _ in range(streams)]
        self.registry = CollectorRegistry()
        self.batcher = DynamicBatcher(self.streams, EncoderMetrics(self.registry), clock)
        self._waiters = ThreadPoolExecutor(8)

    def submit(self, *texts: Sequence[int]) -> tuple[Job, "Future[list[int]]"]:
        job = Job(len(texts))
        self.batcher.add(job, 0, texts)
        return job, self._waiters.submit(lambda: [int(vector[0]) for vector in job.result()])

    def hold(self) -> "Future[list[int]]":
        """Keeps the first stream busy with a text until its gate is opened."""
        self.streams[0].gate.clear()
        _, result = self.submit([99])
        wait_until(lambda: self.streams[0].batches, "a batch that runs")
        return result

    def value(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)

    def close(self) -> None:
        for stream in self.streams:
            stream.gate.set()
        self.batcher.close()
        self._waiters.shutdown()


@contextmanager
def bench_of(streams: int = 1, clock: Callable[[], float] = lambda: 0.0) -> Iterator[Bench]:
    bench = Bench(streams, clock)
    try:
        yield bench
    finally:
        bench.close()


def ids(first: int, length: int) -> list[int]:
    return [first] * length


def test_vectors_come_in_the_order_of_the_texts() -> None:
    with bench_of(streams=2) as bench:
        _, result = bench.submit(*(ids(number, 1 + number * 37 % 200) for number in range(100)))
        assert result.result(DEADLINE_SECONDS) == list(range(100))


def test_a_job_of_no_texts_has_its_result_at_once() -> None:
    assert Job(0).result().shape == (0, DIMENSIONS)


def test_texts_of_several_jobs_that_wait_run_together() -> None:
    with bench_of() as bench:
        bench.hold()
        results = [bench.submit(ids(number, 10))[1] for number in range(3)]
        bench.streams[0].gate.set()
        assert [result.result(DEADLINE_SECONDS) for result in results] == [[0], [1], [2]]
        assert bench.streams[0].batches == [[99], [0, 1, 2]]


def test_a_lone_text_goes_at_once_to_a_stream_that_is_free() -> None:
    with bench_of(streams=2) as bench:
        for stream in bench.streams:
            stream.gate.clear()
        bench.submit(ids(1, 10))
        wait_until(lambda: any(stream.batches for stream in bench.streams), "the first batch")
        bench.submit(ids(2, 10))
        wait_until(lambda: all(stream.batches for stream in bench.streams), "both streams to run")


def test_a_lone_text_is_run_by_its_callers_thread_where_a_stream_is_free() -> None:
    with bench_of() as bench:
        names: list[str] = []
        run = bench.streams[0].run
        bench.streams[0].run = lambda batch: names.append(threading.current_thread().name) or run(batch)  # type: ignore[method-assign, func-returns-value]
        job = Job(1)
        assert bench.batcher.run_at_once(job, ids(7, 5))
        assert [int(vector[0]) for vector in job.result()] == [7]
        assert names == [threading.current_thread().name]
        # the stream is free again, for what comes next
        assert bench.submit(ids(8, 5))[1].result(DEADLINE_SECONDS) == [8]


def test_a_lone_text_waits_with_the_others_where_no_stream_is_free() -> None:
    with bench_of() as bench:
        held = bench.hold()
        assert not bench.batcher.run_at_once(Job(1), ids(7, 5))
        bench.streams[0].gate.set()
        assert held.result(DEADLINE_SECONDS) == [99]


def test_what_comes_while_a_lone_text_runs_goes_on_when_it_has_ended() -> None:
    with bench_of() as bench:
        bench.streams[0].gate.clear()
        lone = threading.Thread(target=bench.batcher.run_at_once, args=(Job(1), ids(7, 5)))
        lone.start()
        wait_until(lambda: bench.streams[0].batches, "the lone text to run")
        _, result = bench.submit(ids(8, 5))
        assert not result.done()
        bench.streams[0].gate.set()
        assert result.result(DEADLINE_SECONDS) == [8]
        lone.join(DEADLINE_SECONDS)


def test_close_waits_for_a_lone_text_that_runs() -> None:
    bench = Bench(1, lambda: 0.0)
    bench.streams[0].gate.clear()
    job = Job(1)
    lone = threading.Thread(target=bench.batcher.run_at_once, args=(job, ids(7, 5)))
    lone.start()
    wait_until(lambda: bench.streams[0].batches, "the lone text to run")
    closing = threading.Thread(target=bench.batcher.close)
    closing.start()
    with pytest.raises(EncoderClosed):
        job.result()
    assert closing.is_alive()
    bench.close()
    closing.join(DEADLINE_SECONDS)
    assert not closing.is_alive()
    with pytest.raises(EncoderClosed):
        bench.batcher.run_at_once(Job(1), ids(7, 5))


def test_what_waits_is_shared_among_the_streams() -> None:
    with bench_of(streams=2) as bench:
        for stream in bench.streams:
            stream.gate.clear()
        for _ in range(2):
            bench.submit(ids(99, 10))
        wait_until(lambda: all(stream.batches for stream in bench.streams), "both streams to run")
        bench.submit(*(ids(number, 10) for number in range(8)))
        bench.streams[0].gate.set()
        wait_until(lambda: len(bench.streams[0].batches) > 1, "the next batch")
        assert bench.streams[0].batches[1] == [0, 1, 2, 3]


def test_a_failure_ends_the_jobs_of_its_batch_and_no_other() -> None:
    with bench_of() as bench:
        held = bench.hold()
        _, long = bench.submit(*(ids(number, 250) for number in range(3)))
        _, short = bench.submit(ids(5, 10))
        bench.streams[0].failure = MemoryError("too long")
        bench.streams[0].gate.set()
        with pytest.raises(MemoryError):
            held.result(DEADLINE_SECONDS)
        with pytest.raises(MemoryError):
            long.result(DEADLINE_SECONDS)
        with pytest.raises(MemoryError):
            short.result(DEADLINE_SECONDS)
        # of the long job one text has run, the others were not even tried
        assert sum(batch == [number] for batch in bench.streams[0].batches for number in range(3)) == 1
        bench.streams[0].failure = None
        assert bench.submit(ids(7, 10))[1].result(DEADLINE_SECONDS) == [7]


def test_what_was_dropped_is_not_run_and_its_caller_is_told() -> None:
    with bench_of() as bench:
        bench.hold()
        gone, result = bench.submit(ids(1, 10), ids(2, 50))
        _, stays = bench.submit(ids(3, 10))
        bench.batcher.drop(gone)
        with pytest.raises(CallerGone):
            result.result(DEADLINE_SECONDS)
        bench.batcher.add(gone, 1, [ids(4, 10)])
        bench.streams[0].gate.set()
        assert stays.result(DEADLINE_SECONDS) == [3]
        assert bench.streams[0].batches == [[99], [3]]
        assert bench.value("model_dropped_texts_total") == 2


def test_a_job_that_is_dropped_while_it_runs_is_told_too() -> None:
    with bench_of() as bench:
        bench.streams[0].gate.clear()
        job, result = bench.submit(ids(1, 10))
        wait_until(lambda: bench.streams[0].batches, "a batch that runs")
        bench.batcher.drop(job)
        with pytest.raises(CallerGone):
            result.result(DEADLINE_SECONDS)
        bench.streams[0].gate.set()
        assert bench.submit(ids(2, 10))[1].result(DEADLINE_SECONDS) == [2]


def test_close_ends_what_waits_and_what_runs_and_refuses_more() -> None:
    with bench_of() as bench:
        held = bench.hold()
        _, waits = bench.submit(ids(1, 10))
        closing = threading.Thread(target=bench.batcher.close)
        closing.start()
        for result in (held, waits):
            with pytest.raises(EncoderClosed):
                result.result(DEADLINE_SECONDS)
        assert closing.is_alive()  # the batch that runs has not ended
        bench.streams[0].gate.set()
        closing.join(DEADLINE_SECONDS)
        assert not closing.is_alive()
        with pytest.raises(EncoderClosed):
            bench.submit(ids(1, 10))


def test_metrics_tell_of_batches_waiting_and_padding() -> None:
    now = 100.0
    with bench_of(clock=lambda: now) as bench:
        bench.hold()
        _, result = bench.submit(ids(1, 9), ids(2, 12))
        assert bench.value("model_waiting_texts") == 2
        now = 103.0
        bench.streams[0].gate.set()
        result.result(DEADLINE_SECONDS)
        wait_until(lambda: bench.value("model_encoded_texts_total") == 3, "three texts counted")
        assert bench.value("model_waiting_texts") == 0
        assert bench.value("model_queue_seconds_sum") == 6
        assert (bench.value("model_batch_texts_count"), bench.value("model_batch_texts_sum")) == (2, 3)
        assert bench.value("model_tokens_total") == 1 + 9 + 12
        assert bench.value("model_padding_tokens_total") == 7 + 7 + 4
