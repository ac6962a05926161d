"""The benchmark's figures: ratios of made-up runs, held against the bounds."""

import json
from dataclasses import replace

import pytest

from bench.model.measured import REFUSED, Measured
from bench.model.report import Figures, as_json, broken_bounds, table
from bench.model.texts import labels, posts, repeated, request
from bench.pipeline.memory import Memory

MEGABYTE = 2**20
FIGURES = Figures(
    threads=2,
    posts=1000,
    python="3.13",
    few_labels=[Measured(2.0, 3.0), Measured(4.0, 3.2), Measured(2.0, 3.0)],
    many_labels=[Measured(2.0, 3.0), Measured(4.0, 3.2), Measured(2.1, 3.0)],
    bare=[Measured(1.9, 3.0), Measured(3.8, 3.0), Measured(2.5, 3.0)],
    idle=[0.004] * 20,
    busy=[0.006] * 19 + [0.009] * 2,
    single_texts_per_s=250.0,
    memory=Memory(1000, [300 * MEGABYTE] * 20),
)


def test_ratios_are_those_of_the_same_round() -> None:
    figures = as_json(FIGURES)
    assert figures["ratio_to_bare_loop"] == 0.95
    assert (figures["posts_per_s_20_labels"], figures["posts_per_s_bare_loop"]) == (500, 400)
    assert figures["many_to_few_labels"] == 1.0
    assert figures["cpu_ms_per_post"] == 3.0


def test_the_busy_endpoints_p95_is_held_against_the_idle_ones_median() -> None:
    assert as_json(FIGURES)["p95_to_idle_median"] == 2.25


def test_what_is_within_its_bounds_is_not_told() -> None:
    assert broken_bounds(FIGURES) == []


@pytest.mark.parametrize(
    ("figures", "name"),
    [
        (replace(FIGURES, bare=[Measured(1.7, 3.0)] * 3), "ratio_to_bare_loop"),
        (
            replace(FIGURES, many_labels=[Measured(2.2, 3.0), Measured(4.4, 3.0), Measured(2.2, 3.0)]),
            "many_to_few_labels",
        ),
        (replace(FIGURES, busy=[0.013] * 20), "p95_to_idle_median"),
        (replace(FIGURES, busy=[0.006] * 18 + [REFUSED] * 2), "p95_to_idle_median"),
        (replace(FIGURES, memory=Memory(9, [300 * MEGABYTE] * 9 + [320 * MEGABYTE] * 9)), "memory_growth_mb"),
    ],
)
def test_each_figure_out_of_its_bounds_is_named(figures: Figures, name: str) -> None:
    assert [line.partition(":")[0] for line in broken_bounds(figures)] == [name]


def test_table_and_json_can_be_printed() -> None:
    assert "125 a second at random" in table(FIGURES)
    assert json.loads(json.dumps(as_json(FIGURES)))["threads"] == 2


def test_posts_are_the_samples_in_an_order_that_stays() -> None:
    texts = posts({})
    assert (len(texts), texts) == (160, posts({}))
    assert repeated(texts, 200)[160:] == texts[:40]


def test_labels_differ() -> None:
    assert [len(set(labels(count))) for count in (20, 100)] == [20, 100]


def test_a_request_is_whole() -> None:
    head, _, body = request(["ä post"], 20).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["inputs"] == ["ä post"]
