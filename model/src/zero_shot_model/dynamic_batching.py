"""Threads that run the texts of all callers in batches, and the callers' results.

A lone text that finds a stream free is run by its caller's own thread: two hand-overs between threads would cost it as
much as everything else but the model.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from zero_shot_model.batching import TextQueue, TokenisedText, rounded_length
from zero_shot_model.errors import CallerGone, EncoderClosed
from zero_shot_model.metrics import EncoderMetrics
from zero_shot_model.openvino_model import DIMENSIONS, Vectors


class Runs(Protocol):
    """What turns a batch of token ids into vectors; for one thread at a time."""

    def run(self, batch: Sequence[Sequence[int]]) -> Vectors:
        """Vectors of shape (len(batch), DIMENSIONS), in the order of `batch`."""
        ...


class Job:
    """The vectors of so many texts, as they arrive. One thread waits for the result, others bring it."""

    def __init__(self, texts: int) -> None:
        self._vectors = np.empty((texts, DIMENSIONS), np.float32)
        self._missing = texts
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._failure: Exception | None = None
        if texts == 0:
            self._ended.set()

    @property
    def ended(self) -> bool:
        """Whether it has all vectors, or has failed."""
        return self._ended.is_set()

    def bring(self, rows: Sequence[int], vectors: Vectors) -> None:
        """The vectors of some of its texts."""
        with self._lock:
            self._vectors[rows] = vectors
            self._missing -= len(rows)
            if self._missing == 0:
                self._ended.set()

    def fail(self, failure: Exception) -> None:
        """It will get no more vectors. Only the first failure counts, and none once it has ended."""
        with self._lock:
            if not self._ended.is_set():
                self._failure = failure
                self._ended.set()

    def result(self) -> Vectors:
        """Waits for all vectors; shape (texts, DIMENSIONS). Raises what it failed by."""
        self._ended.wait()
        if self._failure is not None:
            raise self._failure
        return self._vectors


class DynamicBatcher:
    """Runs the texts of many jobs on `streams`, with a thread for each. Any thread may call it.

    A text goes at once when a stream is free; what comes while all are busy is run together by length.
    """

    def __init__(self, streams: Sequence[Runs], metrics: EncoderMetrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._streams = len(streams)
        # what was used last is used next: it is still in the processor's cache
        self._free = list(reversed(streams))
        self._queue = TextQueue[Job]()
        self._jobs: set[Job] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"model-{number}", daemon=True) for number in range(len(streams))
        ]
        for thread in self._threads:
            thread.start()

    def add(self, job: Job, first_row: int, texts: Sequence[Sequence[int]]) -> None:
        """Texts of `job`, as token ids, from that row on. Raises EncoderClosed; does nothing for a job that failed."""
        now = self._clock()
        waiting = [TokenisedText(job, row, ids, now) for row, ids in enumerate(texts, first_row)]
        with self._changed:
            if self._closed:
                raise EncoderClosed
            if not job.ended:
                self._jobs.add(job)
                self._queue.add(waiting)
                self._metrics.waiting.set(len(self._queue))
                self._changed.notify(len(waiting))

    def run_at_once(self, job: Job, text: Sequence[int]) -> bool:
        """Runs the one text of `job` in the calling thread, if a stream is free and nothing waits; whether it did.

        Raises EncoderClosed.
        """
        now = self._clock()
        with self._changed:
            if self._closed:
                raise EncoderClosed
            if self._queue or not self._free or job.ended:
                return False
            stream = self._free.pop()
            self._jobs.add(job)
        self._run(stream, [TokenisedText(job, 0, text, now)])
        return True

    def drop(self, job: Job) -> None:
        """Forgets the texts of `job` that have not run yet; its result is CallerGone."""
        with self._changed:
            job.fail(CallerGone())
            self._metrics.dropped.inc(self._forget(job))

    def close(self) -> None:
        """End every job with EncoderClosed. Returns when the batches that run have ended."""
        with self._changed:
            self._closed = True
            for job in list(self._jobs):
                job.fail(EncoderClosed())
                self._forget(job)
            self._changed.notify_all()
            while len(self._free) < self._streams:
                self._changed.wait()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while work := self._next():
            self._run(*work)

    def _run(self, stream: Runs, batch: Sequence[TokenisedText[Job]]) -> None:
        """Runs a batch on a stream that was taken, and gives that back."""
        began = self._clock()
        self._tell(batch, began)
        try:
            vectors = stream.run([text.token_ids for text in batch])
        except Exception as error:  # noqa: BLE001 - raised again in the threads that wait for these texts
            self._fail(batch, error)
        else:
            self._metrics.inference_seconds.observe(self._clock() - began)
            self._bring(batch, vectors)
        finally:
            with self._changed:
                self._free.append(stream)
                if self._queue or self._closed:
                    self._changed.notify_all()

    def _next(self) -> tuple[Runs, list[TokenisedText[Job]]] | None:
        """A free stream, taken, and the texts to run on it; waits for both. None once it is closed."""
        with self._changed:
            while not (self._queue and self._free) and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            # Not all of a few: another stream that is about to be free would have nothing to do.
            batch = self._queue.next_batch(-(-len(self._queue) // self._streams))
            self._metrics.waiting.set(len(self._queue))
            return self._free.pop(), batch

    def _tell(self, batch: Sequence[TokenisedText[Job]], now: float) -> None:
        lengths = [len(text.token_ids) for text in batch]
        tokens = sum(lengths)
        padding = rounded_length(max(lengths)) * len(batch) - tokens
        self._metrics.batch_began([now - text.since for text in batch], tokens, padding)

    def _bring(self, batch: Sequence[TokenisedText[Job]], vectors: Vectors) -> None:
        places: dict[Job, list[int]] = {}
        for place, text in enumerate(batch):
            places.setdefault(text.job, []).append(place)
        for job, own in places.items():
            job.bring([batch[place].row for place in own], vectors[own])
            self._discard_ended(job)
        self._metrics.encoded.inc(len(batch))

    def _fail(self, batch: Sequence[TokenisedText[Job]], error: Exception) -> None:
        with self._changed:
            for job in {text.job for text in batch}:
                job.fail(error)
                self._forget(job)

    def _discard_ended(self, job: Job) -> None:
        if job.ended:
            with self._changed:
                self._jobs.discard(job)

    def _forget(self, job: Job) -> int:
        """Takes back what waits of `job`, and tells how many texts; the lock is held."""
        self._jobs.discard(job)
        forgotten = self._queue.drop(job)
        self._metrics.waiting.set(len(self._queue))
        return forgotten
