"""The benchmark's figures: medians and worst cases of made-up runs, held against the bounds."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.pipeline.comparison import Compared, Run
from bench.pipeline.loops import PARTS, Part
from bench.pipeline.memory import Memory
from bench.pipeline.report import Figures, as_json, broken_bounds, table

MESSAGES = 1000
MEGABYTE = 1024 * 1024
RECEIVING, _, SENDING, HOP = PARTS


def runs(part: Part, seconds: Sequence[float], processor: Sequence[float]) -> list[Run]:
    return [
        Run(
            MESSAGES,
            wall,
            cpu,
            calls_receiving=200 if part.receives else 0,
            calls_sending=100 if part.sends else 0,
        )
        for wall, cpu in zip(seconds, processor, strict=True)
    ]


def compared(
    part: Part = RECEIVING,
    *,
    seconds: Sequence[float] = (1.0, 1.0, 1.0),
    processor: Sequence[float] = (0.3, 0.3, 0.3),
) -> Compared:
    """A bare loop that takes one second, 0.3 of them of the processor, in each of three rounds; and another way."""
    return Compared(part, {"bare": runs(part, (1.0,) * 3, (0.3,) * 3), "pipeline": runs(part, seconds, processor)})


def figures(*late: Compared, at_once: Sequence[Compared] = (), resident: Sequence[int] = (50, 50)) -> Figures:
    memory = Memory(200_000, [megabytes * MEGABYTE for megabytes in resident])
    return Figures("quick", 0.005, 3, MESSAGES, "3.11.0", late, at_once, memory)


GOOD = figures(*map(compared, PARTS))


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    bare = runs(RECEIVING, (1.0, 9.0, 2.0), (0.3, 0.9, 0.3))
    pipeline = runs(RECEIVING, (0.5, 9.0, 1.0), (0.3, 0.9, 0.9))
    both = Compared(RECEIVING, {"bare": bare, "pipeline": pipeline})
    # of the seconds' medians it would be 2.0 / 1.0, too; of the processor's 0.9 / 0.3
    assert both.speed_ratio == 2.0
    assert both.processor_ratio == 1.0
    assert both.messages_per_second("bare") == 500.0
    assert both.processor_ms_per_message("pipeline") == pytest.approx(0.9)


def test_what_is_within_its_bounds_is_not_complained_of() -> None:
    assert broken_bounds(GOOD) == []


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        (
            figures(compared(), compared(SENDING, seconds=(1.2, 1.2, 1.0)), compared(HOP)),
            "ratio_to_bare_loop: expected at least 0.9, got 0.8333",
        ),
        (
            figures(compared(), compared(SENDING), compared(HOP, processor=(0.3, 0.39, 0.39))),
            "cpu_ratio_to_bare_loop: expected at most 1.25, got 1.3000",
        ),
        (replace(GOOD, memory=Memory(10, [0, 3 * MEGABYTE])), "memory_growth_mb: expected at most 2.0, got 3.0000"),
    ],
)
def test_the_worst_part_and_the_growth_are_held_against_the_bounds(bad: Figures, line: str) -> None:
    assert broken_bounds(bad) == [line]


@pytest.mark.parametrize(
    ("kind", "calls", "line"),
    [
        ("calls_receiving", 221, "calls_per_message: expected at most 0.22, got 0.2210"),
        ("calls_sending", 111, "calls_per_message_sending: expected at most 0.11, got 0.1110"),
    ],
)
def test_one_round_with_too_many_calls_is_enough(kind: str, calls: int, line: str) -> None:
    hop = compared(HOP)
    hop.runs["pipeline"][1] = replace(hop.runs["pipeline"][1], **{kind: calls})
    assert broken_bounds(figures(hop)) == [line]


def test_without_a_latency_what_was_answered_at_once_is_judged() -> None:
    slow = compared(HOP, seconds=(2.0, 2.0, 2.0))
    assert as_json(figures(at_once=[slow]))["ratio_to_bare_loop"] == 0.5
    assert as_json(figures(compared(HOP), at_once=[slow]))["ratio_to_bare_loop"] == 1.0


def test_memory_grows_from_the_first_tenth_to_the_last_and_not_by_an_outlier() -> None:
    flat = [50] * 18
    assert Memory(20, [mb * MEGABYTE for mb in [50, *flat, 51]]).growth_mb == 0.5
    steps = [mb * MEGABYTE for mb in range(100)]
    assert Memory(100, steps).growth_mb == 90.0
    assert Memory(100, steps).peak_mb == 99.0


def test_the_table_has_a_row_for_each_part_and_leaves_out_what_was_not_measured() -> None:
    text = table(GOOD)
    for part in PARTS:
        assert f"  {part.name}  " in text
    assert "5 ms late" in text
    assert "at once" not in text


def test_the_json_names_the_four_promised_figures() -> None:
    assert (
        json.loads(json.dumps(as_json(GOOD))).items()
        >= {
            "ratio_to_bare_loop": 1.0,
            "cpu_ratio_to_bare_loop": 1.0,
            "calls_per_message": 0.2,
            "memory_growth_mb": 0.0,
        }.items()
    )
