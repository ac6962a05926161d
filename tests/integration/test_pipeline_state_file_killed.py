"""State in files and real processes: killed at any moment, started twice, out of room."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import UserMistake
from pipeline.state_file import FileStateStore
from pipeline.state_store import StateNotSaved
from tests.support.state_process import CALLS, KIND, Numbered, numbered

SECONDS = 60.0
NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)


@contextmanager
def process_doing(job: str, folder: Path, number: int = 0) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.support.state_process", job, str(folder), str(number)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def loaded(folder: Path) -> Numbered | None:
    store = FileStateStore(folder, lambda: NOW)
    try:
        return store.load(KIND, Numbered)
    finally:
        store.close()


def said(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout
    assert process.stderr
    # not communicate(), which reads past what readline() has taken into its buffer
    output, error = process.stdout.read(), process.stderr.read()
    assert process.wait(SECONDS) == -signal.SIGKILL, error
    # the last line may have been cut by the kill
    return output.split("\n")[:-1]


def test_whenever_it_is_killed_the_last_save_is_there_or_the_one_under_way(tmp_path: Path) -> None:
    rng = random.Random(20261120)
    saves = kills = 0
    last = 0
    while saves < 200 or kills < 15:
        with process_doing("save", tmp_path) as process:
            assert process.stdout
            first = int(process.stdout.readline())
            time.sleep(rng.uniform(0.0, 0.06))
            process.kill()
            told = [first, *map(int, said(process))]
        found = loaded(tmp_path)
        assert found is not None
        assert found.number in {told[-1], told[-1] + 1}
        assert found == numbered(found.number)
        # and it went on from where the one before it had been killed
        assert first == last + 1
        last = found.number
        saves += len(told)
        kills += 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".new") == [f"{KIND}.json", "lock"]


@pytest.mark.parametrize("call", range(len(CALLS)), ids=[f"{at} {name}" for at, name in enumerate(CALLS)])
def test_killed_at_each_step_of_a_save_the_old_content_is_there_or_the_new(tmp_path: Path, call: int) -> None:
    with process_doing("die-at", tmp_path, call) as process:
        said(process)
    replaced = call > CALLS.index("replace")
    assert loaded(tmp_path) == numbered(2 if replaced else 1)
    # and nothing of it keeps the next from its work
    store = FileStateStore(tmp_path, lambda: NOW)
    store.save(KIND, numbered(3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{KIND}.json", "lock"]


def test_a_second_process_gets_one_line_with_the_file_and_the_first_ones_number(tmp_path: Path) -> None:
    with process_doing("hold", tmp_path) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with process_doing("save", tmp_path) as second:
            output, error = second.communicate(timeout=SECONDS)
        assert second.returncode == 1
        assert output == ""
        (line,) = error.splitlines()
        assert line.startswith(
            f"{tmp_path}/lock: expected no other process at work here, got one: process {first.pid} on "
        )
        with pytest.raises(UserMistake, match=f"process {first.pid} on "):
            FileStateStore(tmp_path, lambda: NOW)
    # a kill leaves no lock behind
    FileStateStore(tmp_path, lambda: NOW).close()


def test_of_two_processes_started_at_once_one_saves(tmp_path: Path) -> None:
    with process_doing("save", tmp_path) as one, process_doing("save", tmp_path) as other:
        deadline = time.monotonic() + SECONDS
        while one.poll() is None and other.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        loser, winner = (one, other) if one.poll() is not None else (other, one)
        _, error = loser.communicate(timeout=SECONDS)
        assert f"got one: process {winner.pid} on " in error
        assert winner.stdout
        numbers = [int(winner.stdout.readline()) for _ in range(20)]
    assert numbers == list(range(1, 21))


def test_a_file_that_the_system_cuts_short_never_takes_the_old_ones_place(tmp_path: Path) -> None:
    store = FileStateStore(tmp_path, lambda: NOW)
    long = Numbered(number=2, filler="x" * 100_000)
    store.save(KIND, numbered(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(StateNotSaved, match=rf": {os.strerror(errno.EFBIG)}$"):
            store.save(KIND, long)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert store.load(KIND, Numbered) == numbered(1)
    store.save(KIND, long)
    assert store.load(KIND, Numbered) == long
