"""The benchmark's command in a small form: that it measures and prints, not what."""

import json
import subprocess
import sys

SECONDS = 120
PROMISED = ["ratio_to_bare_loop", "posts_per_s_20_labels", "posts_per_s_100_labels", "p95_to_idle_median"]
SMALL = ("--rounds", "1", "--posts", "64", "--idle-posts", "10", "--poisson-seconds", "1", "--memory-posts", "64")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.model", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)


def test_it_measures_and_ends_with_one_line_of_json() -> None:
    ended = run(*SMALL)
    assert (ended.returncode, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert list(figures)[: len(PROMISED)] == PROMISED
    assert all(figures[name] > 0 for name in PROMISED)
    assert figures["memory_peak_mb"] > 0
    assert "bare loop, the limit" in ended.stdout


def test_a_number_that_cannot_be_is_one_line() -> None:
    ended = run("--rounds", "0")
    assert ended.returncode == 2
    assert "expected a number from 1 on, got 0" in ended.stderr
