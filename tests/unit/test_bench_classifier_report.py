"""The benchmark's figures: medians and worst cases of made-up runs, held against the bounds."""

import json
from dataclasses import replace

import pytest

from bench.classifier.quiet import Delay
from bench.classifier.report import AtEndpoint, Figures, as_json, broken_bounds, table
from bench.classifier.reposts import Judged
from bench.classifier.rounds import Run
from bench.classifier.stub_endpoint import Speed

QUIET = Delay(total=[50.0] * 20, added=[float(number) for number in range(1, 21)])
STUB = AtEndpoint(
    runs={
        "ours": [Run(1000, 2.5, 0.5, 245, 32, 1000, 400), Run(1000, 5.0, 0.6, 248, 40, 1000, 400)],
        "sample": [Run(100, 4.0, 0.3, 170, 100, 100, 40), Run(100, 8.0, 0.3, 170, 100, 100, 40)],
        "direct": [Run(1000, 2.5, 0.1, None, 32, 1000), Run(1000, 4.5, 0.1, None, 32, 1000)],
        "carry": [Run(1000, 0.5, 0.4, 240, 0, 0, 400), Run(1000, 0.5, 0.4, 240, 0, 0, 400)],
    },
    delays={"ours": QUIET, "sample": QUIET},
    callers=2,
)
REAL = AtEndpoint(
    runs={
        "ours": [Run(1000, 10.0, 0.5, 260), Run(1000, 10.0, 0.5, 260)],
        "sample": [Run(100, 2.0, 0.5, 190), Run(100, 2.0, 0.5, 190)],
        "direct": [Run(1000, 9.5, 0.1), Run(1000, 9.3, 0.1)],
    },
    delays={"ours": QUIET, "sample": QUIET},
    callers=4,
)
FIGURES = Figures(
    server="quick",
    latency=0.005,
    rounds=2,
    cores="model on core 1, all else on 1 other(s)",
    python="3.13",
    speed=Speed(),
    stub=STUB,
    real=REAL,
    reposts=Judged(posts=1000, originals=600, texts=610, calls=20, seconds=2.0, resident_mb=80.0),
)
FASTER_SAMPLE = [Run(100, 2.0, 0.3), Run(100, 2.0, 0.3)]
FASTER_ENDPOINT = [Run(1000, 2.0, 0.1), Run(1000, 2.0, 0.1)]
PROMISED = [
    "ratio_to_sample_stub",
    "ratio_to_limit_real",
    "cpu_ms_per_post",
    "sqs_calls_per_post",
    "added_delay_ms_p95",
    "model_texts_per_100k",
]


def with_ours(at: AtEndpoint, *runs: Run) -> AtEndpoint:
    return replace(at, runs={**at.runs, "ours": runs})


def test_ratios_are_those_of_the_same_round() -> None:
    figures = as_json(FIGURES)
    assert list(figures)[:6] == PROMISED
    assert figures["ratio_to_sample_stub"] == 16.0
    assert figures["ratio_to_limit_real"] == pytest.approx((0.95 + 0.93) / 2)
    assert figures["stub"]["ours"]["posts_per_s"] == 300.0


def test_processor_time_is_the_median_and_calls_are_the_worst() -> None:
    figures = as_json(FIGURES)
    assert figures["cpu_ms_per_post"] == pytest.approx(0.55)
    assert figures["sqs_calls_per_post"] == 0.248
    assert figures["endpoint_calls_per_post"] == 0.04


def test_a_stream_with_reposts_is_told_by_100000_posts() -> None:
    assert as_json(FIGURES)["model_texts_per_100k"] == 61_000


def test_the_95th_percentile_of_the_delay() -> None:
    assert as_json(FIGURES)["added_delay_ms_p95"] == pytest.approx(19.1, abs=0.1)


def test_the_limit_is_the_narrower_of_endpoint_and_queues() -> None:
    assert FIGURES.limit == "endpoint"
    assert FIGURES.ratio_to_limit_stub == pytest.approx(0.95)
    slow_queues = replace(STUB, runs={**STUB.runs, "carry": [Run(1000, 20.0, 0.4), Run(1000, 20.0, 0.4)]})
    assert replace(FIGURES, stub=slow_queues).limit == "queues"
    assert replace(FIGURES, stub=slow_queues).ratio_to_limit_stub == pytest.approx(6.0)


def test_what_is_within_its_bounds_is_not_told() -> None:
    assert broken_bounds(FIGURES) == []


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (replace(FIGURES, stub=replace(STUB, runs={**STUB.runs, "sample": FASTER_SAMPLE})), "ratio_to_sample_stub"),
        (replace(FIGURES, stub=replace(STUB, runs={**STUB.runs, "direct": FASTER_ENDPOINT})), "ratio_to_limit_stub"),
        (replace(FIGURES, real=with_ours(REAL, *[Run(1000, 12.0, 0.5, 260)] * 2)), "ratio_to_limit_real"),
        (replace(FIGURES, stub=with_ours(STUB, *[Run(1000, 2.5, 0.7, 240)] * 2)), "cpu_ms_per_post"),
        (
            replace(FIGURES, stub=with_ours(STUB, Run(1000, 2.5, 0.5, 240), Run(1000, 2.5, 0.5, 270))),
            "sqs_calls_per_post",
        ),
        (replace(FIGURES, reposts=replace(FIGURES.reposts, texts=630)), "model_texts_per_100k"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_figure_out_of_its_bounds_is_named(figures: Figures, name: str) -> None:
    assert [line.partition(":")[0] for line in broken_bounds(figures)] == [name]


def test_calls_that_nobody_counts_are_none_and_break_no_bound() -> None:
    uncounted = replace(FIGURES, stub=with_ours(STUB, *[Run(1000, 2.5, 0.5)] * 2))
    assert as_json(uncounted)["sqs_calls_per_post"] is None
    assert broken_bounds(uncounted) == []
    assert json.loads(json.dumps(as_json(uncounted)))["stub"]["ours"]["sqs_calls_per_post"] is None


def test_the_table_says_what_the_figures_were_taken_with() -> None:
    shown = table(FIGURES)
    assert "each answer 5 ms late; model on core 1" in shown
    assert "a stub of 20 ms a call and 2 ms a text, 1 call(s) at once; alerts: 40% of the posts" in shown
    assert "with this share of alerts 0.240 SQS calls a post are the fewest that can be" in shown
    assert "1000 posts, 400 of them reposts: 610 texts in 20 calls" in shown
