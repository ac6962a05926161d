"""Bytes from files, standard input and pipes, in steps that never wait for long."""

import gzip
import io
import os
import select
import stat
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.errors import UserMistake

STDIN = "-"
#: Seconds until a read that waits for somebody to write looks whether it is to stop.
STEP_SECONDS = 0.5
_READ_BYTES = 256 * 1024


class Broken(Exception):
    """A file cannot be read to its end; the message says why, in one line."""


class Chunk(NamedTuple):
    """Bytes of content, and how many bytes of the file were read for them so far."""

    content: bytes
    position: int


class _Reads(Protocol):
    def read1(self, size: int, /) -> bytes:
        """Some bytes, at most ``size``; none at the end."""


def check(path: str) -> int:
    """The size of a file in bytes, 0 where it has none before it was read. Raises UserMistake."""
    if path == STDIN:
        if sys.stdin is None:
            raise _mistake(path, "standard input is closed")
        return 0
    try:
        status = Path(path).stat()
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
            with _opened(path):
                return status.st_size
        # what a writer waits to put into a named pipe would be lost by opening and closing it
        if not os.access(path, os.R_OK):
            raise PermissionError(None, "no permission to read it")
        return 0
    except OSError as error:
        raise _mistake(path, error.strerror or str(error)) from error


def chunks(path: str, stopping: threading.Event) -> Iterator[Chunk]:
    """The content, of a name that ends with .gz decompressed, until its end or ``stopping``.

    Raises UserMistake where the file cannot be opened, and Broken where it cannot be read to its end.
    """
    try:
        with ExitStack() as stack:
            try:
                descriptor = stack.enter_context(_opened(path))
            except OSError as error:
                raise _mistake(path, error.strerror or str(error)) from error
            raw = _Raw(descriptor, stopping)
            read: _Reads = raw
            if path.endswith(".gz"):
                read = stack.enter_context(gzip.GzipFile(fileobj=io.BufferedReader(raw, _READ_BYTES)))
            while not stopping.is_set() and (content := read.read1(_READ_BYTES)):
                yield Chunk(content, raw.position)
    except EOFError as error:
        if not stopping.is_set():
            raise Broken("it ends in the middle") from error
    except (OSError, zlib.error) as error:
        raise Broken(str(error)) from error


class _Raw(io.RawIOBase):
    """Ends, as at the end of a file, when the service is to stop."""

    def __init__(self, descriptor: int, stopping: threading.Event) -> None:
        self._descriptor = descriptor
        self._stopping = stopping
        self.position = 0

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """See io.RawIOBase."""
        content = self.read1(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def read1(self, size: int, /) -> bytes:
        """Some bytes, at most ``size``; none at the end."""
        # a pipe whose writer is silent would wait for ever, and nobody could stop it
        while not self._stopping.is_set():
            if select.select([self._descriptor], [], [], STEP_SECONDS)[0]:
                content = os.read(self._descriptor, size)
                self.position += len(content)
                return content
        return b""


@contextmanager
def _opened(path: str) -> Iterator[int]:
    if path == STDIN:
        yield sys.stdin.fileno()
        return
    if Path(path).is_dir():
        raise IsADirectoryError(None, "a directory")
    # a named pipe that nobody writes to yet would hold the call up; the select before each read waits for its writer
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _mistake(path: str, what: str) -> UserMistake:
    return UserMistake(
        f"environment: FILE_PATH: expected readable files, or - for standard input, got {path!r} ({what})"
    )
