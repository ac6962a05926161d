"""The benchmark's command in a small form: that it measures and prints, not what."""

import json
import subprocess
import sys

import pytest

SECONDS = 120
PROMISED = [
    "posts_per_s",
    "ratio_to_single_send",
    "ratio_to_batch_limit",
    "calls_per_post",
    "parse_posts_per_s",
    "added_delay_ms_p50",
    "memory_growth_mb",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    small = ["--rounds", "1", "--posts", "80", "--quiet-posts", "3", "--parse-posts", "200", "--memory-posts", "400"]
    return subprocess.run(
        [sys.executable, "-m", "bench.stream_getter", *small, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


@pytest.mark.parametrize("server", ["quick", "ministack"])
def test_it_measures_at_each_server_and_ends_with_one_line_of_json(server: str) -> None:
    ended = run("--server", server)
    assert (ended.returncode, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert list(figures)[: len(PROMISED)] == PROMISED
    assert all(figures[name] > 0 for name in PROMISED[:-1])
    assert set(figures["posts_per_s_by_way"]) == {"ours", "single", "batch"}
    assert figures["latency_ms"] == (5 if server == "quick" else 0)
    assert "(b) bare batches, the limit" in ended.stdout


def test_a_number_that_cannot_be_is_one_line() -> None:
    ended = run("--rounds", "0")
    assert ended.returncode == 2
    assert "expected a number from 1 on, got 0" in ended.stderr
