"""The benchmark's command in a small form: that it measures and prints, not what."""

import json
import subprocess
import sys

SECONDS = 180
PROMISED = [
    "ratio_to_sample_stub",
    "ratio_to_limit_real",
    "cpu_ms_per_post",
    "sqs_calls_per_post",
    "added_delay_ms_p95",
    "model_texts_per_100k",
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.classifier", *arguments], capture_output=True, text=True, timeout=SECONDS
    )


def test_it_measures_and_ends_with_one_line_of_json() -> None:
    small = ["--rounds", "1", "--posts", "48", "--model-posts", "16", "--quiet-posts", "2", "--repost-posts", "50"]
    ended = run(*small)
    assert (ended.returncode, ended.stderr) == (0, "")
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert list(figures)[: len(PROMISED)] == PROMISED
    assert all(figures[name] > 0 for name in PROMISED if name != "added_delay_ms_p95")
    assert set(figures["stub"]) >= {"ours", "sample", "direct", "carry"}
    assert set(figures["real"]) >= {"ours", "sample", "direct"}
    # by the endpoints' own books: the sample's way asks about each post by itself
    assert [figures[at]["sample"]["endpoint_calls_per_post"] for at in ("stub", "real")] == [1, 1]
    assert figures["reposts"]["posts"] == 50
    assert figures["reposts"]["originals"] == 30
    assert 30 <= figures["reposts"]["texts"] <= 50
    assert "(a) the sample's way" in ended.stdout


def test_a_number_that_cannot_be_is_one_line() -> None:
    ended = run("--slots", "0")
    assert ended.returncode == 2
    assert "expected a number from 1 on, got 0" in ended.stderr
