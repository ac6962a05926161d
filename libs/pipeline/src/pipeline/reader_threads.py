"""The threads of a reader: a crash of one is kept for the reader's owners, who would wait for ever otherwise."""

import threading
from collections.abc import Callable
from typing import Protocol


class ReaderCrashed(Exception):
    """A thread of a reader has come to its end by a bug, its cause: no message would be received or kept any more."""


class Joinable(Protocol):
    """What one waits for: a thread, or what takes its place in a test without threads."""

    def join(self, timeout: float | None = None) -> None:
        """Waits for its end, up to ``timeout`` seconds."""


#: Runs a function under a name, usually at once in a thread of its own.
StartThread = Callable[[str, Callable[[], None]], Joinable]


def start_daemon_thread(name: str, run: Callable[[], None]) -> Joinable:
    """A thread that does not keep the process from its end."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


class ReaderThreads:
    """Starts the threads of one reader. ``on_crash`` is called in a thread that crashes, after ``crash`` was set."""

    def __init__(self, reader: str, start_thread: StartThread, on_crash: Callable[[], None]) -> None:
        self._reader = reader
        self._start_thread = start_thread
        self._on_crash = on_crash
        self.crash: ReaderCrashed | None = None

    def start(self, what: str, run: Callable[[], None]) -> Joinable:
        """Runs one; what it raises ends it, and goes to threading.excepthook as well."""

        def guarded() -> None:
            try:
                run()
            except Exception as error:
                self.crash = ReaderCrashed(f"the {what} of the reader of queue {self._reader} crashed: {error!r}")
                self.crash.__cause__ = error
                self._on_crash()
                raise

        return self._start_thread(f"{self._reader}-{what}", guarded)
