"""What stands in for the module threading: locks, conditions, events and threads whose waits are those of a Scheduler.

They mean what Python's own mean (library reference: threading), of which they have the part that the code under test
uses. A thread that was killed passes through all of them without effect.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.properties.scheduler import Killed, Scheduler, Task


class Lock:
    """``interrupts``: a turn may end as it is taken."""

    def __init__(self, scheduler: Scheduler, *, interrupts: bool, reentrant: bool = False) -> None:
        self._scheduler = scheduler
        self._interrupts = interrupts
        self._reentrant = reentrant
        self._owner: Task | None = None
        self._depth = 0
        self._queue: deque[Task] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._interrupts:
            self._scheduler.lock_taken()
        me = self._scheduler.current
        if self._depth and self._reentrant and self._owner is me:
            self._depth += 1
            return True
        while self._depth:
            if not blocking:
                return False
            if timeout >= 0:
                raise NotImplementedError("a lock with a time-out")
            assert me is not None, "the test's own thread would wait for a lock"
            self._queue.append(me)
            try:
                self._scheduler.wait(None)
            except Killed:
                if me in self._queue:
                    self._queue.remove(me)
                raise
        self._owner = me
        self._depth = 1
        return True

    def release(self) -> None:
        me = self._scheduler.current
        if not self._depth or self._owner is not me:
            if me and me.process.dead:
                return
            raise RuntimeError("a lock is released that is not held")
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            if self._queue:
                self._scheduler.wake(self._queue.popleft())

    def locked(self) -> bool:
        return bool(self._depth)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()

    @contextmanager
    def let_go(self) -> Iterator[None]:
        """Within it the lock is free, however often its holder has taken it."""
        depth, self._depth = self._depth, 1
        self.release()
        try:
            yield
        finally:
            me = self._scheduler.current
            if not (me and me.process.dead):
                interrupts, self._interrupts = self._interrupts, False
                self.acquire()
                self._interrupts = interrupts
                self._depth = depth


class Condition:
    def __init__(self, scheduler: Scheduler, lock: Lock) -> None:
        self._scheduler = scheduler
        self._lock = lock
        self._waiters: deque[Task] = deque()

    def acquire(self, blocking: bool = True) -> bool:
        return self._lock.acquire(blocking)

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_error: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        me = self._scheduler.current
        assert me is not None, "the test's own thread would wait"
        self._waiters.append(me)
        with self._lock.let_go():
            try:
                self._scheduler.wait(timeout)
            finally:
                notified = me not in self._waiters
                if not notified:
                    self._waiters.remove(me)
        return notified

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        end = None if timeout is None else self._scheduler() + timeout
        result = predicate()
        while not result:
            left = None if end is None else end - self._scheduler()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        assert self._lock.locked(), "notified without the lock"
        for _ in range(min(n, len(self._waiters))):
            self._scheduler.wake(self._waiters.popleft())

    def notify_all(self) -> None:
        self.notify(len(self._waiters))


class Event:
    """May be set by the test's own thread too."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._set = False
        self._waiters: list[Task] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        waiters, self._waiters = self._waiters, []
        for task in waiters:
            self._scheduler.wake(task)

    def wait(self, timeout: float | None = None) -> bool:
        me = self._scheduler.current
        if not self._set and me is not None:
            self._waiters.append(me)
            self._scheduler.wait(timeout)
            if me in self._waiters:
                self._waiters.remove(me)
        return self._set


class Thread:
    """Belongs to the process of the thread that starts it."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        target: Callable[..., object],
        name: str,
        args: tuple[Any, ...] = (),
        daemon: bool = False,
    ) -> None:
        self.name = name
        self.daemon = daemon
        self._scheduler = scheduler
        self._run = lambda: target(*args)
        self._task: Task | None = None

    def start(self) -> None:
        starter = self._scheduler.current
        assert starter is not None, "threads are started by threads of the simulation"
        self._task = self._scheduler.spawn(self.name, self._finish, starter.process)

    def join(self, timeout: float | None = None) -> None:
        assert self._task is not None, "joined before it was started"
        self._scheduler.join(self._task, timeout)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.ended

    def _finish(self) -> None:
        self._run()  # type: ignore[no-untyped-call]


class SimulatedThreading:
    """Takes the place of the module in the modules under test. ``interrupts``: turns may end at locks."""

    def __init__(self, scheduler: Scheduler, *, interrupts: bool = True) -> None:
        self.Lock = partial(Lock, scheduler, interrupts=interrupts)
        self.RLock = partial(Lock, scheduler, interrupts=interrupts, reentrant=True)
        self.Event = partial(Event, scheduler)
        self.Thread = partial(Thread, scheduler)
        self.get_ident = threading.get_ident
        self._scheduler = scheduler

    def Condition(self, lock: Any = None) -> Condition:  # noqa: N802 - the module's own name
        return Condition(self._scheduler, self.RLock() if lock is None else lock)
