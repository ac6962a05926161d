"""Threads that take turns: one runs at a time, who is next comes from a seed, and time passes only while all wait.

The real code runs in real threads, unchanged, with ``primitives`` in the place of the module threading. Whatever would
wait there, and every call to the queue, is a turn's end. So each run is one interleaving of the real code, the same
again by its seed; an hour of waiting costs nothing; and where all threads wait for each other, that is seen.
"""

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tests.properties.threads import Threads

#: Seconds of real time after which a thread that has the turn waits for something outside of the simulation.
_STUCK_SECONDS = 60.0
#: Turns without a millisecond's passing, after which somebody is running in circles.
_CIRCLES = 20_000
#: Locks that are taken between two turns that end for no reason, on average.
_LOCKS_A_TURN = 25.0
#: Milliseconds that a sum of floating-point seconds is off by at most.
_ROUNDING = 0.001
#: Characters of a line of the story.
_LINE = 300
_START_MS = 1_800_000_000_000


class Killed(BaseException):
    """The process of this thread has been killed: unwinds the thread, and must have no effect on the way."""


class Stuck(Exception):
    """A thread waits for something that is not simulated, or runs in circles: a bug of the test, or of the code."""


@dataclass(eq=False)
class Process:
    """What is killed or frozen together. A killed one does nothing any more, a frozen one nothing until it thaws."""

    name: str
    dead: bool = False
    frozen: bool = False
    #: Turns until it is killed; None for never.
    turns_to_live: int | None = None
    on_kill: list[Callable[[], None]] = field(default_factory=list)


@dataclass(eq=False)
class Task:
    """One thread. It waits with ``ready`` False, until it is woken or its deadline."""

    name: str
    process: Process
    ready: bool = True
    ended: bool = False
    deadline_ms: int | None = None
    calls: int = 0
    turn: threading.Lock = field(default_factory=threading.Lock)
    waiting_for_end: list["Task"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.turn.acquire()


class Scheduler:
    """``run`` is for the test's own thread, all else for any. As a clock it has the time of the simulation."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self.rng = random.Random(0)
        self.current: Task | None = None
        self.crash: BaseException | None = None
        self._now_ms = _START_MS
        self._until_ms = _START_MS
        self._turns_left: int | None = None
        self._turns_at_this_time = 0
        self._locks_left = 1
        self._tasks: list[Task] = []
        self._tale: list[tuple[int, str, str, tuple[object, ...]]] = []
        self._my_turn = threading.Lock()
        self._my_turn.acquire()

    def __call__(self) -> float:
        """Seconds since 1970: both clocks of the parts under test."""
        return self._now_ms / 1000

    def now_ms(self) -> int:
        return self._now_ms

    # for the test's thread

    def run(self, seconds: float, turns: int | None = None) -> None:
        """Lets the threads run for so long, or for so many turns. Raises what one of them has crashed by."""
        self._until_ms = self._now_ms + round(seconds * 1000)
        self._turns_left = turns
        if (task := self._next()) is not None:
            self.current = task
            task.turn.release()
            if not self._my_turn.acquire(timeout=_STUCK_SECONDS):
                raise Stuck(f"{task.name} has not given up its turn; last was {self.current and self.current.name}")
            self.current = None
        if self.crash:
            raise self.crash

    def jump(self, seconds: float) -> None:
        """Sets the clock forward while nobody runs."""
        self._set_clock(self._now_ms + round(seconds * 1000))

    def kill(self, process: Process) -> None:
        """It ends here and now: none of its threads gets any further, wherever it is."""
        if process.dead:
            return
        process.dead = True
        process.frozen = False
        for tell in process.on_kill:
            tell()
        for task in self._tasks:
            if task.process is process:
                self.wake(task)

    def end(self) -> None:
        """Kills everybody. Call it last."""
        for task in list(self._tasks):
            self.kill(task.process)
        self.crash = None
        self.run(0.0)
        if self._tasks:
            raise Stuck(f"threads did not end: {[task.name for task in self._tasks]}")

    # for anybody

    def spawn(self, name: str, run: Callable[[], None], process: Process) -> Task:
        """A new thread, which will have its turns."""
        task = Task(name, process)
        self._tasks.append(task)
        self._threads.run(partial(self._body, task, run))
        return task

    def wake(self, task: Task) -> None:
        task.ready = True
        task.deadline_ms = None

    def tell(self, what: str, *about: object) -> None:
        """A line of the story: what this thread does, or meets."""
        self._tale.append((self._now_ms, self.current.name if self.current else "", what, about))

    def story(self, lines: int) -> str:
        """The last lines: seconds since the start, who, and what."""
        return "\n".join(
            f"{(now_ms - _START_MS) / 1000:10.3f}  {who:24}  {what} {' '.join(map(str, about))}"[:_LINE]
            for now_ms, who, what, about in self._tale[-lines:]
        )

    # for threads that have the turn

    def end_turn(self) -> None:
        """Somebody else may go on; this thread goes on later. The test's own thread keeps its turn."""
        if self.current:
            self._hand_over(self.current)

    def lock_taken(self) -> None:
        """Now and then this ends the turn: threads are interrupted anywhere."""
        self._locks_left -= 1
        if self._locks_left <= 0:
            self._locks_left = 1 + int(self.rng.expovariate(1 / _LOCKS_A_TURN))
            self.end_turn()

    def wait(self, seconds: float | None) -> None:
        """Until somebody wakes this thread, for ``seconds`` at most."""
        task = self._running()
        if task.process.dead:
            raise Killed
        task.ready = False
        task.deadline_ms = None if seconds is None else self._now_ms + _milliseconds(seconds)
        self._hand_over(task)

    def sleep(self, seconds: float) -> None:
        self.wait(max(0.001, seconds))

    def join(self, task: Task, seconds: float | None) -> None:
        """Until the other has ended."""
        if not task.ended:
            task.waiting_for_end.append(self._running())
            self.wait(seconds)

    def _running(self) -> Task:
        if self.current is None:
            raise Stuck("the test's own thread would wait for a thread of the simulation, which cannot run then")
        return self.current

    def _body(self, task: Task, run: Callable[[], None]) -> None:
        task.turn.acquire()
        try:
            if not task.process.dead:
                run()
        except Killed:
            pass
        except BaseException as crash:  # noqa: BLE001 - the test's thread raises it
            self.crash = self.crash or crash
        task.ended = True
        self._tasks.remove(task)
        for waiter in task.waiting_for_end:
            self.wake(waiter)
        self._give_turn(self._next())

    def _hand_over(self, task: Task) -> None:
        process = task.process
        if process.turns_to_live is not None and not process.dead:
            process.turns_to_live -= 1
            if process.turns_to_live <= 0:
                self.kill(process)
        if process.dead:
            raise Killed
        next_ = self._next()
        if next_ is not task:
            self._give_turn(next_)
            task.turn.acquire()
        if process.dead:
            raise Killed

    def _give_turn(self, task: Task | None) -> None:
        self.current = task
        (task.turn if task else self._my_turn).release()

    def _next(self) -> Task | None:
        """Who has the next turn; None for the test's own thread."""
        dying = next((task for task in self._tasks if task.process.dead), None)
        if dying:
            return dying
        if self.crash:
            return None
        if self._turns_left is not None:
            self._turns_left -= 1
            if self._turns_left < 0:
                return None
        while True:
            ready = [task for task in self._tasks if self._can_go_on(task)]
            if ready:
                self._turns_at_this_time += 1
                if self._turns_at_this_time > _CIRCLES:
                    self.crash = Stuck(f"{_CIRCLES} turns and no time has passed: {[task.name for task in ready]}")
                    return None
                task = ready[int(self.rng.random() * len(ready))] if len(ready) > 1 else ready[0]
                self.wake(task)
                return task
            if not self._pass_time():
                return None

    def _can_go_on(self, task: Task) -> bool:
        due = task.ready or (task.deadline_ms is not None and task.deadline_ms <= self._now_ms)
        return due and not task.process.frozen

    def _pass_time(self) -> bool:
        """Sets the clock forward to the first deadline; False at the end of the run, to which it is set then."""
        deadlines = [
            task.deadline_ms for task in self._tasks if task.deadline_ms is not None and not task.process.frozen
        ]
        first = min(deadlines, default=None)
        if first is None or first > self._until_ms:
            self._set_clock(max(self._now_ms, self._until_ms))
            return False
        self._set_clock(first)
        return True

    def _set_clock(self, now_ms: int) -> None:
        if now_ms > self._now_ms:
            self._now_ms = now_ms
            self._turns_at_this_time = 0


def _milliseconds(seconds: float) -> int:
    # a wait that is not over takes a millisecond at least: rounded to none it would be waited for again, for ever
    return max(1, math.ceil(seconds * 1000 - _ROUNDING)) if seconds > 0 else 0
