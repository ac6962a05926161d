"""The real process: its first line, its end, its mistakes."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

STREAM = "/2/tweets/search/stream"
DEADLINE_SECONDS = 20.0
POST = json.dumps({"data": {"id": "1", "text": "smoke"}}) + "\n"

StartCommand = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_command() -> Iterator[StartCommand]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", *options],
            env={**os.environ, "X_BEARER_TOKEN": "secret"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening on http://127.0.0.1:")
    return line.split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_streams_and_the_process_with_0(
    start_command: StartCommand, tmp_path: Path, number: signal.Signals
) -> None:
    posts, ledger = tmp_path / "posts.jsonl", tmp_path / "ledger.jsonl"
    posts.write_text(POST)
    process = start_command("--posts", str(posts), "--ledger", str(ledger))
    response = requests.get(
        url_of(process) + STREAM,
        headers={"Authorization": "Bearer secret"},
        stream=True,
        timeout=DEADLINE_SECONDS,
    )
    lines = response.iter_lines(chunk_size=65536)
    assert json.loads(next(lines))["data"]["id"] == "1"
    process.send_signal(number)
    assert list(lines) == []
    assert process.wait(DEADLINE_SECONDS) == 0
    logged = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["event"] for line in logged[:2]] == ["connected", "sent"]
    assert [line.get("reason") for line in logged if line["event"] == "disconnected"] == ["ended"]
    assert [line["posts"] for line in logged if line["event"] == "finished"] == [1]


def test_a_signal_before_the_first_connection_ends_it_too(start_command: StartCommand) -> None:
    process = start_command()
    url_of(process)
    process.terminate()
    assert process.wait(DEADLINE_SECONDS) == 0


def test_several_files_are_played_in_order(start_command: StartCommand, tmp_path: Path) -> None:
    files = [tmp_path / "b.jsonl", tmp_path / "a.jsonl"]
    for number, file in enumerate(files):
        file.write_text(json.dumps({"post": {"data": {"id": str(number), "text": "t"}}, "expected": ["flood"]}))
    process = start_command("--posts", *map(str, files), "--then", "close")
    response = requests.get(
        url_of(process) + STREAM, headers={"Authorization": "Bearer secret"}, timeout=DEADLINE_SECONDS
    )
    lines = [json.loads(line) for line in response.text.split("\r\n") if line]
    assert lines == [{"data": {"id": "0", "text": "t"}}, {"data": {"id": "1", "text": "t"}}]


def test_help_is_printed_and_succeeds(start_command: StartCommand) -> None:
    process = start_command("--help")
    output, _ = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0
    assert "--bearer-token" in output


def mistake_of(process: subprocess.Popen[str]) -> str:
    """What the command said, after checking that it is one line and exit code 2."""
    output, errors = process.communicate(timeout=DEADLINE_SECONDS)
    assert (process.returncode, output, errors.count("\n")) == (2, "", 1)
    return errors


def test_a_missing_file_is_one_line(start_command: StartCommand, tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    assert f"--posts {missing}: expected a readable file" in mistake_of(start_command("--posts", str(missing)))


def test_a_broken_line_is_named_by_its_number(start_command: StartCommand, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text(POST + "\n" + '{"data": {"id": "2",\n')
    assert f"{posts}, line 3: expected JSON" in mistake_of(start_command("--posts", str(posts)))


def test_a_ledger_that_cannot_be_written_is_one_line(start_command: StartCommand, tmp_path: Path) -> None:
    assert f"--ledger {tmp_path}: expected a writable file" in mistake_of(start_command("--ledger", str(tmp_path)))


def test_a_mistake_in_a_file_of_faults_is_one_line(start_command: StartCommand, tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"what": "cut", "after_posts": -1}]')
    said = mistake_of(start_command("--faults", str(faults)))
    assert f"--faults {faults}: fault 1: after_posts: expected a whole number from 0 up, found -1" in said


def test_a_port_in_use_is_one_line(start_command: StartCommand) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = mistake_of(start_command("--port", str(port)))
    assert f"--port {port}" in said
    assert "Address already in use" in said


def test_a_rate_of_zero_is_one_line(start_command: StartCommand) -> None:
    assert "--rate: expected a number above 0, found 0" in mistake_of(start_command("--rate", "0"))
