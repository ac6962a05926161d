"""Threads that are used again: to start one costs more than most of what a simulated thread does in its life."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Threads:
    """Give it to one simulation after the other. At its end as a context they end."""

    def __init__(self) -> None:
        self._idle: list[_Thread] = []
        self._ended = False

    def run(self, job: Callable[[], None]) -> None:
        """Runs the job in a thread of its own. It must not raise."""
        try:
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread(self._idle)
        thread.run(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: type[BaseException] | BaseException | TracebackType | None) -> None:
        while self._idle:
            self._idle.pop().run(None)


class _Thread:
    def __init__(self, idle: list["_Thread"]) -> None:
        self._idle = idle
        self._job: Callable[[], None] | None = None
        self._has_job = threading.Lock()
        self._has_job.acquire()
        threading.Thread(target=self._work, name="simulated", daemon=True).start()

    def run(self, job: Callable[[], None] | None) -> None:
        self._job = job
        self._has_job.release()

    def _work(self) -> None:
        while True:
            self._has_job.acquire()
            if self._job is None:
                return
            self._job()
            self._job = None
            self._idle.append(self)
