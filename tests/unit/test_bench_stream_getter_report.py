"""The benchmark's figures: medians and worst cases of made-up runs, held against the bounds."""

import json
from dataclasses import replace
from itertools import islice

import msgspec
import pytest

from bench.pipeline.memory import Memory
from bench.stream_getter.client import Delay, Measured
from bench.stream_getter.report import Figures, as_json, broken_bounds, table
from bench.stream_getter.sample import sample_lines

MEGABYTE = 2**20
FIGURES = Figures(
    server="quick",
    latency=0.005,
    posts={"ours": 1000, "single": 100, "batch": 1000},
    senders=1,
    python="3.13",
    runs={
        "ours": [Measured(1.0, 0.2, 100, 50 * MEGABYTE), Measured(2.0, 0.4, 105, 51 * MEGABYTE)],
        "single": [Measured(1.0, 0.1, 100, 50 * MEGABYTE), Measured(2.0, 0.1, 100, 50 * MEGABYTE)],
        "batch": [Measured(1.0, 0.1, 100, 50 * MEGABYTE), Measured(1.9, 0.1, 100, 50 * MEGABYTE)],
    },
    parsed=100_000.0,
    delay=Delay(21.0, 30.0, 28.0),
    memory=Memory(1000, [50 * MEGABYTE] * 20),
)


def test_ratios_are_those_of_the_same_round() -> None:
    figures = as_json(FIGURES)
    assert figures["ratio_to_single_send"] == 10.0
    assert figures["ratio_to_batch_limit"] == pytest.approx(0.975)
    assert figures["posts_per_s"] == 750
    assert figures["calls_per_post"] == 0.105


def test_what_is_within_its_bounds_is_not_told() -> None:
    assert broken_bounds(FIGURES) == []


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (replace(FIGURES, posts={**FIGURES.posts, "single": 200}), "ratio_to_single_send"),
        (replace(FIGURES, posts={**FIGURES.posts, "batch": 1200}), "ratio_to_batch_limit"),
        (replace(FIGURES, parsed=49_000.0), "parse_posts_per_s"),
        (replace(FIGURES, delay=Delay(61.0, 70.0, 65.0)), "added_delay_ms_p50"),
        (replace(FIGURES, memory=Memory(1000, [50 * MEGABYTE] * 10 + [60 * MEGABYTE] * 10)), "memory_growth_mb"),
        (
            replace(FIGURES, runs={**FIGURES.runs, "ours": [Measured(1.0, 0.2, 120, 1), Measured(2.0, 0.2, 100, 1)]}),
            "calls_per_post",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_out_of_its_bounds_is_named(figures: Figures, name: str) -> None:
    assert [line.partition(":")[0] for line in broken_bounds(figures)] == [name]


def test_table_and_json_can_be_printed() -> None:
    assert "each answer 5 ms late" in table(FIGURES)
    assert json.loads(json.dumps(as_json(FIGURES)))["senders"] == 1


def test_the_samples_lines_have_an_id_each() -> None:
    payloads = [msgspec.json.decode(line) for line in islice(sample_lines(), 200)]
    assert len({payload["data"]["id"] for payload in payloads}) == 200
    assert all(payload["data"]["edit_history_tweet_ids"][-1] == payload["data"]["id"] for payload in payloads)
