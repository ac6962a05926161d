"""One process of a service: built, run and drained as the services' bootstraps and Lifecycle do it."""

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from prometheus_client import CollectorRegistry

from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import GIVE_BACK_SECONDS, POLL_SECONDS, QueueReader
from pipeline.queue_writer import QueueWriter
from pipeline.sqs_rules import BATCH_ENTRIES
from tests.properties.books import ALERTS, DEAD_LETTERS, POSTS, Books, Broken, Holder
from tests.properties.desk import Desk
from tests.properties.network import Network
from tests.properties.posts import LARGEST_ALERT
from tests.properties.primitives import SimulatedThreading, Thread
from tests.properties.scheduler import Process, Scheduler
from tests.properties.worker import Mood, Worker
from tests.support.strict_sqs import StrictSqs

#: Seconds that a service has for its end (pipeline.lifecycle).
_GRACE = 25.0
#: Seconds beyond its time that closing may take: calls under way, and each process's own delays.
_LATE = 1.5
#: Seconds that a process is still there after its drain.
_LAST_SECONDS = 0.1
_WORKERS = 2
#: Messages that a worker is being given, and that the books have as buffered still.
_ON_THEIR_WAY = _WORKERS * BATCH_ENTRIES


@dataclass(frozen=True)
class Bounds:
    """What a process may hold."""

    visibility: int
    read_messages: int
    read_bytes: int
    write_bytes: int


@dataclass(frozen=True)
class Parts:
    """The classes under test."""

    reader: type[QueueReader] = QueueReader
    writer: type[QueueWriter] = QueueWriter


class Service:
    """Runs from now on. ``stop`` and the other orders are for the test's own thread."""

    def __init__(
        self,
        name: str,
        sqs: StrictSqs,
        urls: Mapping[str, str],
        scheduler: Scheduler,
        books: Books,
        bounds: Bounds,
        parts: Parts,
        puts: Iterator[int],
        mood: Mood,
    ) -> None:
        self.process = Process(name)
        self.holder = Holder(name)
        self._urls = urls
        self._scheduler = scheduler
        self._books = books
        self._bounds = bounds
        self._parts = parts
        self._puts = puts
        self._mood = mood
        self._threading = SimulatedThreading(scheduler)
        self._stopping = self._threading.Event()
        self._network = Network(sqs, scheduler, books, self.holder, self._check_receive)
        self._metrics = QueueMetrics(CollectorRegistry())
        self._reader: QueueReader | None = None
        self._operator = self._threading.Lock()
        self.wants_pause = self._paused = False
        self._stood_still = self._stood_still_at_the_end = False
        self._receives_too_many = 0
        self.process.on_kill.append(self._die)
        scheduler.spawn(f"{name}-main", self._run, self.process)

    @property
    def alive(self) -> bool:
        return not self.process.dead

    @property
    def idle(self) -> bool:
        """Whether no owner has a message in hand."""
        return not self.holder.in_hand

    def stop(self) -> None:
        """SIGTERM."""
        if not self.holder.stopping:
            self._scheduler.tell("stops", self.process.name)
            self.holder.stopping = True
            self._stood_still_at_the_end = self.process.frozen
            self._receives_too_many = 0
            self._stopping.set()

    def kill(self, turns: int = 0) -> None:
        """SIGKILL, after so many of its turns."""
        if turns:
            self.process.turns_to_live = turns
        else:
            self._scheduler.kill(self.process)

    def freeze(self) -> None:
        """SIGSTOP, or a machine that has other things to do."""
        self._scheduler.tell("freezes", self.process.name)
        self.process.frozen = True
        self.stand_still("its process was frozen")

    def stand_still(self, why: str) -> None:
        """It has no turn while time passes: what it holds may run out, and it may be late with anything."""
        self._books.excuse_all_of(self.holder, why)
        self._stood_still = True
        self._stood_still_at_the_end |= self.holder.stopping

    def thaw(self) -> None:
        self._scheduler.tell("thaws", self.process.name)
        self.process.frozen = False

    def pause(self, wanted: bool = True) -> None:
        self.wants_pause = wanted
        self._scheduler.spawn(f"{self.process.name}-operator", self._pause_or_resume, self.process)

    def _run(self) -> None:
        now = self._scheduler
        self._writer = writer = self._parts.writer(
            self._network.client,
            self._urls[ALERTS],
            "alerts",
            self._metrics,
            Backoff(0.1, 10.0, self._random()),
            max_buffered_bytes=self._bounds.write_bytes,
            clock=now,
        )
        self._reader = reader = self._parts.reader(
            self._network.client,
            self._urls[POSTS],
            self._urls[DEAD_LETTERS],
            "posts",
            "classifier",
            self._metrics,
            Backoff(0.1, 10.0, self._random()),
            cast(threading.Event, self._stopping),
            visibility_timeout=self._bounds.visibility,
            max_buffered_bytes=self._bounds.read_bytes,
            max_buffered_messages=self._bounds.read_messages,
            now=now,
            clock=now,
            rng=self._random(),
            sleep=now.sleep,
        )
        desk = Desk(reader, self._books, self.holder, now)
        workers = [
            self._threading.Thread(target=self._worker(desk, writer).run, name=f"{self.process.name}-worker-{number}")
            for number in range(_WORKERS)
        ]
        for worker in workers:
            worker.start()
        self._stopping.wait()
        self._drain(workers, writer, reader)
        self._scheduler.sleep(_LAST_SECONDS)
        self._check_end()
        self._scheduler.kill(self.process)

    def _drain(self, workers: Sequence[Thread], writer: QueueWriter, reader: QueueReader) -> None:
        now = self._scheduler
        deadline = now() + _GRACE
        writer.refuse_when_full()
        for worker in workers:
            worker.join(max(0.0, deadline - now()))
        began, left = now(), max(0.0, deadline - now() - GIVE_BACK_SECONDS)
        everything = writer.close(left)
        self._check_time("writer", now() - began, left)
        if everything and (untold := [body[:20] for body, told in self.holder.puts.items() if not told.done()]):
            raise Broken(f"the writer closed with everything settled, and nobody was told of {untold}")
        began = now()
        reader.close()
        self._check_time("reader", now() - began, max(GIVE_BACK_SECONDS, POLL_SECONDS + 1.0))

    def _worker(self, desk: Desk, writer: QueueWriter) -> Worker:
        return Worker(
            desk,
            writer,
            self._books,
            self.holder,
            self._stopping,
            self._puts,
            lambda: self._scheduler.rng,
            self._scheduler.sleep,
            self._check_written,
            self._mood,
        )

    def _pause_or_resume(self) -> None:
        with self._operator:
            if self._reader is None:
                return
            if self.wants_pause:
                self._reader.pause()
                self._receives_too_many = 0
            self._paused = self.wants_pause
            self._scheduler.tell("paused" if self._paused else "resumed")
            if not self._paused:
                self._reader.resume()

    def _die(self) -> None:
        self._scheduler.tell("is dead:", self.process.name)
        self.holder.dead = True
        self._books.excuse_all_of(self.holder, "its process was killed")

    def _random(self) -> random.Random:
        return random.Random(self._scheduler.rng.random())

    def _check_receive(self) -> None:
        """Before each receive: it is wanted, and what is buffered leaves room for it."""
        name = self.process.name
        if self._paused or self.holder.stopping:
            self._receives_too_many += 1
            if self._receives_too_many > 1:  # one may have begun
                raise Broken(f"{name} goes on receiving while it is {'paused' if self._paused else 'stopping'}")
        sizes = sorted(self._books.buffered(self.holder))
        if len(sizes) + BATCH_ENTRIES > self._bounds.read_messages + _ON_THEIR_WAY:
            raise Broken(f"{name} receives, and has {len(sizes)} messages buffered already")
        if sum(sizes[:-_ON_THEIR_WAY]) >= self._bounds.read_bytes:
            raise Broken(f"{name} receives, and has {sum(sizes)} bytes buffered already")

    def _check_written(self) -> None:
        """After each put: one message of any size may wait, or as many as the bound allows."""
        size = next(iter(self._metrics.buffered_bytes.collect())).samples[0].value
        if size > max(self._bounds.write_bytes, LARGEST_ALERT):
            raise Broken(f"{self.process.name} has {size} bytes that wait to be sent")

    def _check_time(self, what: str, seconds: float, allowed: float) -> None:
        if seconds > allowed + _LATE and not self._stood_still:
            raise Broken(f"{self.process.name}: closing the {what} took {seconds:.1f} s of {allowed:.1f} s")

    def _check_end(self) -> None:
        """After the drain: whatever the process held is to be had at once, if every call went well."""
        if self._stood_still_at_the_end:
            return  # the time for closing was over before its last receive came back
        self._books.read()
        for fate in self._books.fates.values():
            held = fate.holder is self.holder and not (fate.deleted or fate.lost_by_operator)
            explained = fate.excuse or fate.let_go_by or fate.failed_hides or fate.message_id in self.holder.done
            if held and not explained and fate.hidden_until_ms > self._scheduler.now_ms():
                raise Broken(f"{self.process.name} has ended, and post {fate.post.number} is hidden still")
