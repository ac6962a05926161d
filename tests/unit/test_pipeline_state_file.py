"""State in files: whatever lies in a file's place, and whatever the disk refuses, the service goes on."""

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import pipeline.connection_state
import pipeline.lock_file
import pipeline.state_file
from pipeline.errors import Unavailable, UserMistake
from pipeline.lock_file import LockTaken
from pipeline.state_envelope import LIMIT
from pipeline.state_file import KEPT_SET_ASIDE, FileStateStore
from pipeline.state_store import StateNotSaved
from tests.support.recording_log import RecordingLog, record_log
from tests.support.state_contents import Cursor

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
UNREADABLE = "state cannot be read, starting without it"
ASIDE = "set-aside/cursor-20261120T081503.000000Z.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "notifier"


@pytest.fixture
def store(folder: Path) -> Iterator[FileStateStore]:
    store = FileStateStore(folder, lambda: NOW)
    yield store
    store.close()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.state_file, pipeline.connection_state, pipeline.lock_file)


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_folder_are_their_users_alone(folder: Path, store: FileStateStore) -> None:
    before = os.umask(0)
    try:
        store.save("cursor", Cursor(position=1))
    finally:
        os.umask(before)
    assert (mode(folder), mode(folder / "cursor.json")) == (0o700, 0o600)


def test_a_save_leaves_one_file_of_json(folder: Path, store: FileStateStore) -> None:
    for position in range(3):
        store.save("cursor", Cursor(position=position))
    assert sorted(path.name for path in folder.iterdir()) == ["cursor.json", "lock"]
    assert json.loads((folder / "cursor.json").read_text())["content"]["position"] == 2


def test_a_save_is_on_the_disk_file_and_folder_before_it_returns(
    folder: Path, store: FileStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []  # what, and whether the content was in its place already
    fsync = os.fsync

    def record(descriptor: int) -> None:
        fsync(descriptor)
        what = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append((what, (folder / "cursor.json").exists()))

    monkeypatch.setattr("os.fsync", record)
    store.save("cursor", Cursor(position=1))
    assert synced == [("file", False), ("folder", True)]


def put_nothing(path: Path) -> None:
    path.write_bytes(b"")


def put_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def put_zeros(path: Path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


def put_binary(path: Path) -> None:
    path.write_bytes(b"\x7fELF\xff\xfe\x00\x80" * 100)


def put_other_json(path: Path) -> None:
    path.write_text('{"version": "1.2", "services": {}}')


def put_deep_json(path: Path) -> None:
    path.write_text("[" * 1_000_000)


def put_other_kind(path: Path) -> None:
    path.write_text(path.read_text().replace('"kind":"cursor"', '"kind":"spend"'))


def put_newer_version(path: Path) -> None:
    path.write_text(path.read_text().replace('"v":1', '"v":2'))


def put_too_much(path: Path) -> None:
    path.write_bytes(b" " * (LIMIT + 1) + path.read_bytes())


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "cursor.json").write_text("{}")


def put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


@pytest.mark.parametrize(
    "put",
    [
        put_nothing,
        put_half,
        put_zeros,
        put_binary,
        put_other_json,
        put_deep_json,
        put_other_kind,
        put_newer_version,
        put_too_much,
        put_folder,
        put_pipe,
        put_link_to_itself,
    ],
)
def test_whatever_lies_in_a_files_place_is_set_aside_as_it_is_with_one_line(
    folder: Path, store: FileStateStore, log: RecordingLog, put: Callable[[Path], None]
) -> None:
    store.save("cursor", Cursor(position=1))
    path = folder / "cursor.json"
    put(path)
    what = path.lstat()
    assert store.load("cursor", Cursor) is None
    aside = folder / ASIDE
    assert (aside.lstat().st_ino, aside.lstat().st_size) == (what.st_ino, what.st_size)
    ((level, event, values),) = log.lines
    assert (level, event) == ("warning", UNREADABLE)
    assert (values["place"], values["outcome"]) == (str(path), f"set aside as {aside}")
    assert 0 < len(str(values["reason"])) < 400
    assert "\n" not in str(values["reason"])
    assert store.load("cursor", Cursor) is None
    store.save("cursor", Cursor(position=2))
    assert store.load("cursor", Cursor) == Cursor(position=2)
    assert len(log.lines) == 1


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENXIO])
def test_a_file_that_may_not_be_read_is_set_aside(
    folder: Path, store: FileStateStore, log: RecordingLog, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    store.save("cursor", Cursor(position=1))
    with monkeypatch.context() as patched:
        patched.setattr("os.open", failing(number))
        assert store.load("cursor", Cursor) is None
    assert (folder / ASIDE).is_file()
    (values,) = [values for _level, _event, values in log.lines]
    assert values["reason"] == f"expected a file that can be read, got: {os.strerror(number)}"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_process_short_of_something_blames_no_file(
    store: FileStateStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    store.save("cursor", Cursor(position=1))
    with monkeypatch.context() as patched:
        patched.setattr("os.open", failing(number))
        with pytest.raises(Unavailable, match=r"cursor\.json: expected a file that can be read, got: "):
            store.load("cursor", Cursor)
    assert store.load("cursor", Cursor) == Cursor(position=1)


def test_of_each_kind_the_newest_few_are_kept(folder: Path) -> None:
    moments = (NOW + timedelta(seconds=n) for n in range(100))
    store = FileStateStore(folder, lambda: next(moments))
    for kind in ("cursor-20261120t081503", "cursor"):
        for number in range(KEPT_SET_ASIDE + 3):
            (folder / f"{kind}.json").write_text(str(number))
            assert store.load(kind, Cursor) is None
    kept = [path.read_text() for path in sorted((folder / "set-aside").iterdir())]
    assert kept == [str(number) for number in range(3, KEPT_SET_ASIDE + 3)] * 2


def test_what_cannot_be_set_aside_is_told_and_the_next_save_takes_its_place(
    folder: Path, store: FileStateStore, log: RecordingLog
) -> None:
    folder.joinpath("set-aside").write_text("in the way")
    folder.joinpath("cursor.json").write_text("broken")
    assert store.load("cursor", Cursor) is None
    assert log.lines[0][2]["outcome"] == "not set aside (File exists)"
    store.save("cursor", Cursor(position=1))
    assert store.load("cursor", Cursor) == Cursor(position=1)
    assert len(log.lines) == 1


@pytest.mark.parametrize("call", ["os.open", "os.fsync", "os.replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_disk_that_refuses_is_told_once_for_as_long_as_it_does_and_the_old_content_stays(
    folder: Path,
    store: FileStateStore,
    log: RecordingLog,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    number: int,
) -> None:
    store.save("cursor", Cursor(position=1))
    with monkeypatch.context() as patched:
        patched.setattr(call, failing(number))
        for _ in range(3):
            with pytest.raises(StateNotSaved) as caught:
                store.save("cursor", Cursor(position=2))
    assert str(caught.value) == f"state cursor in {folder}: {os.strerror(number)}"
    assert log.events == ["cannot be reached, trying again"]
    assert log.lines[0][2] == {"what": f"saving state cursor in {folder}", "reason": os.strerror(number)}
    assert sorted(path.name for path in folder.iterdir()) == ["cursor.json", "lock"]
    assert store.load("cursor", Cursor) == Cursor(position=1)
    store.save("cursor", Cursor(position=3))
    assert log.events[1:] == ["reachable again"]
    assert store.load("cursor", Cursor) == Cursor(position=3)


def test_a_folder_that_may_only_be_read_starts_the_store_and_saves_once_it_may_be_written(
    folder: Path, log: RecordingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    FileStateStore(folder, lambda: NOW).close()
    with monkeypatch.context() as patched:
        patched.setattr("os.open", failing(errno.EROFS))
        store = FileStateStore(folder, lambda: NOW)
        with pytest.raises(StateNotSaved, match=r"Read-only file system$"):
            store.save("cursor", Cursor(position=1))
    assert log.events == ["state cannot be locked, and is not saved until it can", "cannot be reached, trying again"]
    store.save("cursor", Cursor(position=1))
    with pytest.raises(LockTaken):
        FileStateStore(folder, lambda: NOW)


def test_a_store_that_got_its_lock_too_late_saves_nothing_over_anothers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FileStateStore(folder, lambda: NOW).close()
    with monkeypatch.context() as patched:
        patched.setattr("os.open", failing(errno.EROFS))
        late = FileStateStore(folder, lambda: NOW)
    first = FileStateStore(folder, lambda: NOW)
    first.save("cursor", Cursor(position=1))
    with pytest.raises(StateNotSaved, match="expected no other process at work here, got one: process "):
        late.save("cursor", Cursor(position=2))
    assert late.load("cursor", Cursor) == Cursor(position=1)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_is_not_there_and_cannot_be_made_is_a_mistake(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("os.mkdir", failing(number))
    with pytest.raises(UserMistake) as caught:
        FileStateStore(folder, lambda: NOW)
    assert str(caught.value) == f"{folder}: expected a folder, or none yet, got: {os.strerror(number)}"


def test_a_file_in_the_folders_place_is_a_mistake(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("")
    with pytest.raises(UserMistake) as caught:
        FileStateStore(folder, lambda: NOW)
    assert str(caught.value) == f"{folder}: expected a folder, or none yet, got: File exists"


def test_a_disk_that_is_full_at_the_first_start_of_all_is_nobodys_mistake(
    folder: Path, log: RecordingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("os.mkdir", failing(errno.ENOSPC))
        store = FileStateStore(folder, lambda: NOW)
        assert store.load("cursor", Cursor) is None
    store.save("cursor", Cursor(position=1))
    assert store.load("cursor", Cursor) == Cursor(position=1)


def test_a_folder_that_was_emptied_or_removed_is_made_anew_and_locked(folder: Path, store: FileStateStore) -> None:
    store.save("cursor", Cursor(position=1))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert store.load("cursor", Cursor) is None
    store.save("cursor", Cursor(position=2))
    assert store.load("cursor", Cursor) == Cursor(position=2)
    with pytest.raises(LockTaken):
        FileStateStore(folder, lambda: NOW)


@pytest.mark.parametrize("left", ["", '{"kind":"cur'], ids=["empty", "half"])
def test_what_a_killed_process_left_beside_the_file_is_never_read(
    folder: Path, store: FileStateStore, left: str
) -> None:
    store.save("cursor", Cursor(position=1))
    (folder / "cursor.json.new").write_text(left)
    assert store.load("cursor", Cursor) == Cursor(position=1)
    store.save("cursor", Cursor(position=2))
    assert sorted(path.name for path in folder.iterdir()) == ["cursor.json", "lock"]


def test_after_it_was_closed_nothing_is_saved_and_the_folder_is_free(folder: Path, store: FileStateStore) -> None:
    store.close()
    with pytest.raises(StateNotSaved, match=r"the store is closed$"):
        store.save("cursor", Cursor(position=1))
    FileStateStore(folder, lambda: NOW).save("cursor", Cursor(position=2))


def test_a_link_in_the_files_place_is_replaced_and_its_target_left_alone(
    folder: Path, store: FileStateStore, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("precious")
    (folder / "cursor.json").symlink_to(target)
    store.save("cursor", Cursor(position=1))
    assert target.read_text() == "precious"
    assert store.load("cursor", Cursor) == Cursor(position=1)
