"""The benchmark's command in a small form: that it measures and prints, not what."""

import json
import subprocess
import sys

import pytest

SECONDS = 120


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.pipeline", *arguments], capture_output=True, text=True, timeout=SECONDS
    )


@pytest.mark.parametrize("server", ["quick", "strict", "ministack"])
def test_it_measures_at_each_server_and_ends_with_one_line_of_json(server: str) -> None:
    ended = run("--server", server, "--rounds", "1", "--messages", "40", "--memory-messages", "400")
    # though so few messages have too many calls each
    assert "out of bounds: calls_per_message" in ended.stdout
    assert (ended.returncode, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert figures["ratio_to_bare_loop"] > 0
    assert figures["cpu_ratio_to_bare_loop"] > 0
    # 4 receives, 4 deletions, and the poll that the reader has under way at the end
    assert 0.2 <= figures["calls_per_message"] <= 0.3
    # 4 batches, and the writer's look whether the queue is there
    assert 0.1 <= figures["calls_per_message_sending"] <= 0.2
    assert isinstance(figures["memory_growth_mb"], float)
    assert (figures["server"], figures["rounds"], figures["messages"]) == (server, 1, 40)
    assert bool(figures["with_latency"]) == (server == "quick")


def test_a_broken_bound_is_told_and_fails_only_where_that_is_asked_for() -> None:
    # a single message needs one call for each step, which is out of bounds whatever the machine
    ended = run("--server", "strict", "--rounds", "1", "--messages", "1", "--memory-messages", "20", "--check")
    assert ended.returncode == 1
    assert "out of bounds: calls_per_message: expected at most 0.22, got" in ended.stdout
    assert "calls_per_message" in json.loads(ended.stdout.splitlines()[-1])


def test_a_number_that_is_none_is_named() -> None:
    ended = run("--messages", "0")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("argument --messages: expected a number from 1 on, got 0")
