"""A lock file: one process at a time, until it closes the lock or ends in whatever way.

The lock is flock's (Linux manual, flock(2)): the kernel drops it with the process, so a crash leaves none behind, and
the file itself may stay. On NFS, such as Amazon EFS, Linux makes it a lock that other machines see too.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import UserMistake
from pipeline.logs import get_logger
from pipeline.text import clean, cut

log = get_logger(__name__)

#: Times that a lock is taken anew because its file was replaced at the same moment.
_TRIES = 3
#: Bytes of the file that are read for the holder's name.
_HOLDER_BYTES = 200
#: Looks for that name, and seconds between two: whoever has just taken the lock is about to write it.
_LOOKS = 10
_LOOK_AGAIN = 0.02


class LockTaken(UserMistake):
    """Another process holds the lock: two were started where one may be. One line with the file and the process."""


class LockFile:
    """Not safe for several threads. Two of the same path exclude each other within one process too."""

    def __init__(self, path: Path, wait: Callable[[float], object] = time.sleep) -> None:
        self._path = path
        self._wait = wait
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Takes the lock, or makes sure that it is held still: somebody may have removed the file. Does not wait.

        Raises LockTaken, and OSError where the file cannot be made or locked.
        """
        for _ in range(_TRIES):
            if self._descriptor is None:
                self._descriptor = self._locked_descriptor()
            if self._is_in_place(self._descriptor):
                return
            self.release()
        raise OSError(f"{self._path} was replaced {_TRIES} times while it was locked")

    def release(self) -> None:
        """Lets another process have the lock. The file stays: to remove it would let two hold locks on two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _locked_descriptor(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = self._holder(descriptor)
            os.close(descriptor)
            raise LockTaken(
                f"{self._path}: expected no other process at work here, got one: {_one_line(holder)}"
            ) from error
        except OSError:
            os.close(descriptor)
            raise
        self._sign(descriptor)
        return descriptor

    def _holder(self, descriptor: int) -> str:
        for look in range(_LOOKS):
            if look:
                self._wait(_LOOK_AGAIN)
            if name := os.pread(descriptor, _HOLDER_BYTES, 0):
                return name.decode(errors="replace")
        return ""

    def _sign(self, descriptor: int) -> None:
        name = f"process {os.getpid()} on {socket.gethostname()}\n"
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, name.encode(), 0)
        except OSError as error:
            # a full disk: the lock is held all the same, and only its holder's name is missing
            log.warning("the lock file does not tell who holds it", path=str(self._path), reason=error.strerror)

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False


def _one_line(holder: str) -> str:
    return cut(" ".join(clean(holder).split()), 100) or "it does not tell which"
