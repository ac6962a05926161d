"""The file that the page goes to. A trial takes its time: what is wrong with the file is to cost nothing of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.dead_letters.tools import Terminal
from pipeline.errors import UserMistake


class PageFile:
    """At the path that --html says; without one nothing is written."""

    def __init__(self, path: str | None, terminal: Terminal) -> None:
        self._path = path
        self._terminal = terminal

    def check(self) -> None:
        """Raises UserMistake for what cannot be written, as far as that can be known before."""
        if self._path and (reason := _obstacle(Path(self._path))):
            raise _not_writable(self._path, reason)

    @contextmanager
    def beside(self, page: Callable[[], str]) -> Iterator[None]:
        """Writes the page, and then lets print what is printed in this context.

        The page comes first, for whoever reads the rest may have seen enough before its end (head). Raises UserMistake
        where it could not be written, after the rest was printed.
        """
        failure = self._write(page)
        try:
            yield
            self._terminal.out.flush()
        except BrokenPipeError:
            if failure:
                self._terminal.remark(f"classifier: {failure}")
            raise
        if failure:
            raise failure

    def _write(self, page: Callable[[], str]) -> UserMistake | None:
        if not self._path:
            return None
        text = page()
        try:
            # a name that is no UTF-8 is no reason to show nothing
            Path(self._path).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            return _not_writable(self._path, error.strerror)
        self._terminal.remark(f"classifier: written: {self._path}")
        return None


def _obstacle(path: Path) -> str:
    try:
        path.stat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            return f"no folder {path.parent}"
        return "" if os.access(path.parent, os.W_OK | os.X_OK) else "it may not be written"
    except OSError as error:
        return error.strerror or str(error)
    if path.is_dir():
        return "it is a folder"
    return "" if os.access(path, os.W_OK) else "it may not be written"


def _not_writable(path: str, reason: str | None) -> UserMistake:
    return UserMistake(f"--html: expected a file that can be written, got {path!r}: {reason}")
