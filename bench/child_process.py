"""A process of one's own making, and the pipe to it: what it does is counted and timed apart from everything else."""

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

#: Seconds that a process may take to end once its pipe is closed.
_END_SECONDS = 2.0


class ChildFailed(Exception):
    """The process has ended by itself, or does not answer. Its own error stands on standard error."""


class ChildProcess:
    """Runs ``target(pipe, *arguments)`` in a new Python while its context is open.

    The target is a module's function. It ends by itself when its ``pipe.recv`` raises EOFError, and is killed if not.
    Ctrl-C is left to the parent.
    """

    def __init__(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = name
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(target, self._theirs, *arguments), name=name, daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # so that the end of either process is the end of the pipe
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def ask(self, question: object, seconds: float = 60.0) -> Any:
        """Sends, and waits for the answer. Raises ChildFailed."""
        try:
            self._pipe.send(question)
        except OSError as error:
            raise self._ended() from error
        return self.listen(seconds)

    def listen(self, seconds: float = 60.0) -> Any:
        """What it sends next. Raises ChildFailed after ``seconds`` without anything."""
        try:
            if not self._pipe.poll(seconds):
                raise ChildFailed(f"{self._name}: expected an answer within {seconds:.0f} s, got none")
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._ended() from error

    def _ended(self) -> ChildFailed:
        return ChildFailed(f"{self._name}: expected an answer, got the end of the process")


def _run(target: Callable[..., None], pipe: Connection, *arguments: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    target(pipe, *arguments)
