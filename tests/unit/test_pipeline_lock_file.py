"""One holder at a time, told by its process; a lock that ended with its holder, or lost its file, is taken anew."""

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

import pipeline.lock_file
from pipeline.lock_file import LockFile, LockTaken
from tests.support.recording_log import record_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


def next_descriptor() -> int:
    """The number that the next file gets: the lowest that is free."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_the_file_tells_who_holds_it_and_only_its_user_may_read_it(path: Path) -> None:
    LockFile(path).hold()
    assert path.read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_holder_is_told_of_the_first_in_one_line(path: Path) -> None:
    first, second = LockFile(path), LockFile(path)
    first.hold()
    with pytest.raises(LockTaken) as caught:
        second.hold()
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    assert str(caught.value) == f"{path}: expected no other process at work here, got one: {holder}"


def test_a_holder_that_is_about_to_sign_is_waited_for_a_moment(path: Path) -> None:
    first = LockFile(path)
    first.hold()
    path.write_text("")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            path.write_text("process 7 on there\n")

    with pytest.raises(LockTaken, match=r"got one: process 7 on there$"):
        LockFile(path, wait).hold()
    path.write_text("")
    with pytest.raises(LockTaken, match=r"got one: it does not tell which$"):
        LockFile(path, lambda _seconds: None).hold()


def test_a_lock_that_was_released_is_free(path: Path) -> None:
    first, second = LockFile(path), LockFile(path)
    first.hold()
    first.release()
    second.hold()
    with pytest.raises(LockTaken):
        first.hold()


def test_to_hold_again_what_is_held_changes_nothing(path: Path) -> None:
    lock = LockFile(path)
    lock.hold()
    before = path.stat()
    lock.hold()
    assert path.stat() == before
    with pytest.raises(LockTaken):
        LockFile(path).hold()


def test_what_is_not_held_can_be_released(path: Path) -> None:
    LockFile(path).release()
    assert not path.exists()


def test_a_longer_text_of_an_earlier_holder_is_gone(path: Path) -> None:
    path.write_text("process 1234567 on " + "a" * 500)
    LockFile(path).hold()
    assert path.read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"


def test_a_lock_whose_file_was_removed_is_taken_anew(path: Path) -> None:
    lock = LockFile(path)
    lock.hold()
    path.unlink()
    lock.hold()
    with pytest.raises(LockTaken):
        LockFile(path).hold()


def test_a_lock_whose_file_another_has_replaced_is_lost(path: Path) -> None:
    first, second = LockFile(path), LockFile(path)
    first.hold()
    path.unlink()
    second.hold()
    with pytest.raises(LockTaken):
        first.hold()
    second.release()
    first.hold()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0\n" * 100, b"x" * 1000], ids=["empty", "binary", "long"])
def test_whatever_a_lock_file_holds_the_line_is_one_and_short(path: Path, content: bytes) -> None:
    lock = LockFile(path)
    lock.hold()
    path.write_bytes(content)
    with pytest.raises(LockTaken) as caught:
        LockFile(path).hold()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 200


def test_a_file_system_without_locks_is_told_and_nothing_stays_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    before = next_descriptor()
    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OSError, match="No locks available"):
        LockFile(path).hold()
    assert next_descriptor() == before


def test_on_a_full_disk_the_lock_is_held_without_a_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = record_log(monkeypatch, pipeline.lock_file)
    monkeypatch.setattr("os.pwrite", full)
    LockFile(path).hold()
    assert log.events == ["the lock file does not tell who holds it"]
    with pytest.raises(LockTaken, match=r"it does not tell which$"):
        LockFile(path).hold()


def test_a_link_in_the_locks_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("precious")
    path.symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        LockFile(path).hold()
    assert target.read_text() == "precious"
