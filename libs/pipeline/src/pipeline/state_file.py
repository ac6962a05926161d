"""State in files: one folder for each service, one file for each kind, readable by their user only.

    STATE/notifier/silences.json
    STATE/notifier/set-aside/silences-20261120T081503.000000Z.json    what could not be understood, the newest few
    STATE/notifier/lock                                               held for the life of the store

A save writes a new file beside the old one, has it written to the disk, and puts it in the old one's place by one
rename: whoever is killed when, a reader finds the old content or the new one (Linux manual, rename(2) and fsync(2)).
"""

import errno
import os
import re
import stat
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pipeline.errors import Unavailable, UserMistake
from pipeline.lock_file import LockFile, LockTaken
from pipeline.logs import get_logger
from pipeline.state_envelope import LIMIT, BrokenState, C, StateContent, seal, unseal
from pipeline.state_store import SavingTold, checked_kind, timestamp

log = get_logger(__name__)

#: Of each kind so many broken contents are kept for whoever wants to know what happened.
KEPT_SET_ASIDE = 5

#: The disk is full, or the user's share of it: this passes, and is nobody's mistake in the settings.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: The process or the machine is short of something: this says nothing about the file.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


class FileStateStore:
    """A StateStore in a folder of its own. ``now`` gives UTC.

    Raises UserMistake, from the start only: LockTaken for a folder that another process keeps its state in, and for
    what is no folder and cannot be made one. A folder that may only be read, or whose disk is full, is told of and
    tried again at each save.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._now = now
        self._lock = threading.Lock()
        self._lock_file = LockFile(folder / "lock")
        self._closed = False
        self._told = SavingTold(str(folder))
        try:
            self._hold()
        except OSError as error:
            if error.errno not in _FULL and not folder.is_dir():
                raise UserMistake(f"{folder}: expected a folder, or none yet, got: {_why(error)}") from error
            log.warning("state cannot be locked, and is not saved until it can", place=str(folder), reason=_why(error))

    def load(self, kind: str, content_type: type[C]) -> C | None:
        """As StateStore has it; Unavailable only where the process has run out of files or memory."""
        path = self._path(kind)
        with self._lock:
            try:
                data = _read(path)
                return None if data is None else unseal(data, kind, content_type)
            except BrokenState as error:
                self._set_aside(path, kind, str(error))
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    raise Unavailable(f"{path}: expected a file that can be read, got: {_why(error)}") from error
                self._set_aside(path, kind, f"expected a file that can be read, got: {_why(error)}")
            return None

    def save(self, kind: str, content: StateContent) -> None:
        """As StateStore has it; never StateConflict, for the lock keeps others out."""
        path = self._path(kind)
        try:
            data = seal(kind, content, self._now())
            with self._lock:
                self._hold()
                _replace(path, data)
        except (BrokenState, LockTaken) as error:
            raise self._told.failed(kind, str(error)) from error
        except OSError as error:
            raise self._told.failed(kind, _why(error)) from error
        self._told.saved(kind)

    def close(self) -> None:
        """As StateStore has it."""
        with self._lock:
            self._closed = True
            self._lock_file.release()

    def _path(self, kind: str) -> Path:
        return self._folder / f"{checked_kind(kind)}.json"

    def _hold(self) -> None:
        if self._closed:
            raise OSError("the store is closed")
        # again at each save: whoever empties the volume takes folder and lock with it
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file.hold()

    def _set_aside(self, path: Path, kind: str, reason: str) -> None:
        aside = path.parent / "set-aside" / f"{kind}-{timestamp(self._now())}.json"
        outcome = "not set aside"
        try:
            aside.parent.mkdir(mode=0o700, exist_ok=True)
            path.rename(aside)
            outcome = f"set aside as {aside}"
            _keep_the_newest(aside.parent, kind)
        except OSError as error:
            outcome += f" ({_why(error)})"
        log.warning("state cannot be read, starting without it", place=str(path), reason=reason, outcome=outcome)


def _read(path: Path) -> bytes | None:
    """The content, cut where it is too long to be any; None where there is no such file. Raises OSError."""
    try:
        # without O_NONBLOCK a pipe in the file's place would hold up the start for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BrokenState("expected a file, got a folder, a pipe or a device")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(LIMIT + 1)
    finally:
        os.close(descriptor)


def _replace(path: Path, data: bytes) -> None:
    """Raises OSError; the content of ``path`` is then what it was, or, if only the folder could not be synced, new."""
    new = path.with_name(f"{path.name}.new")
    # what a killed process left; only the holder of the lock comes here
    new.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)  # noqa: PTH105 - the manual's word for it
    except OSError:
        # on a full disk half a file would keep the next try from its room
        new.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_the_newest(folder: Path, kind: str) -> None:
    # "open" must not count what "open-stories" has set aside
    name = re.compile(re.escape(kind) + r"-\d{8}T\d{6}\.\d{6}Z\.json")
    kept = sorted(entry for entry in folder.iterdir() if name.fullmatch(entry.name) and not entry.is_dir())
    for entry in kept[:-KEPT_SET_ASIDE]:
        entry.unlink()


def _why(error: OSError) -> str:
    return error.strerror or str(error)
