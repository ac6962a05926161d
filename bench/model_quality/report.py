"""The figures, as a table for people, as JSON for machines, and held against their bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import mean, pstdev
from typing import Any

from bench.model_quality.comparison import Compared
from bench.model_quality.frozen_half import FrozenHalf
from bench.model_quality.measures import Measures

#: What five examples a label must add to macro-F1 on the crisis posts.
LEAST_CRISIS_GAIN = 0.07
#: Examples may cost no set so much of its mean average precision, whatever their number.
MOST_LOSS = 0.02
#: By so much at most may five examples lower the precision at 0.5 of the crisis posts; without a scale that follows the
#: vector it falls from 0.51 to 0.20.
MOST_PRECISION_LOSS = 0.2

_HEADINGS = {
    "mean_average_precision": "mAP",
    "macro_f1": "macro-F1",
    "precision": "precision",
    "recall": "recall",
    "f1_at_old_thresholds": "F1 old thr.",
    "best_threshold": "best thr.",
}
_MEASURES = [each.name for each in fields(Measures)]


@dataclass(frozen=True)
class Figures:
    """What one run has found: the sets in order, and how many draws of examples each figure is the mean of."""

    draws: int
    sets: Sequence[Compared]
    frozen_half: FrozenHalf


def table(figures: Figures) -> str:
    """For people: the mean over the draws, and after ± their standard deviation."""
    lines = [f"{'set':<14}{'examples':>9}{'counter':>8}  " + "".join(f"{each:>14}" for each in _HEADINGS.values())]
    for each in figures.sets:
        lines += ["", _row(each.name, 0, 0, [each.without])]
        for count in each.with_examples:
            lines.append(_row("", count, 0, each.with_examples[count]))
            lines.append(_row("", count, count, each.with_counter_examples[count]))
    return "\n".join([*lines, "", *_frozen_rows(figures.frozen_half), ""])


def as_json(figures: Figures) -> dict[str, Any]:
    """The figures by name; the first three are those that the bounds are about."""
    found = _judged(figures)
    return {
        **{name: round(value, 4) for name, value in found.items()},
        "draws": figures.draws,
        "sets": {
            each.name: {
                "posts": each.posts,
                "labels": each.labels,
                "without": _rounded(asdict(each.without)),
                "examples": {str(count): _means(drawn) for count, drawn in each.with_examples.items()},
                "counter_examples": {str(count): _means(drawn) for count, drawn in each.with_counter_examples.items()},
            }
            for each in figures.sets
        },
        "frozen_half": {name: _rounded(measures) for name, measures in asdict(figures.frozen_half).items()},
    }


def broken_bounds(figures: Figures) -> list[str]:
    """A line for each figure that is out of its bounds."""
    found = _judged(figures)
    least = {
        "crisis_f1_gain_5_examples": LEAST_CRISIS_GAIN,
        "least_map_gain": -MOST_LOSS,
        "crisis_precision_gain_5_examples": -MOST_PRECISION_LOSS,
    }
    return [
        f"{name}: expected at least {bound}, got {found[name]:.4f}"
        for name, bound in least.items()
        if found[name] < bound
    ]


def _judged(figures: Figures) -> dict[str, float]:
    crisis = next(each for each in figures.sets if each.name == "crisis")
    gains = [
        mean(one.mean_average_precision for one in drawn) - each.without.mean_average_precision
        for each in figures.sets
        for drawn in each.with_examples.values()
    ]
    five = crisis.with_examples[5]
    return {
        "crisis_f1_gain_5_examples": mean(one.macro_f1 for one in five) - crisis.without.macro_f1,
        "least_map_gain": min(gains),
        "crisis_precision_gain_5_examples": mean(one.precision for one in five) - crisis.without.precision,
    }


def _row(name: str, count: int, counter: int, drawn: Sequence[Measures]) -> str:
    cells = []
    for measure in _MEASURES:
        values = [getattr(each, measure) for each in drawn]
        spread = f" ±{pstdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{f'{mean(values):.3f}{spread}':>14}")
    return f"{name:<14}{count or '':>9}{counter or '':>8}  " + "".join(cells)


def _frozen_rows(half: FrozenHalf) -> list[str]:
    rows = {"without": half.without, "examples": half.with_examples, "and counter": half.with_counter_examples}
    return [
        f"samples/, the frozen half, thresholds of the file{'mAP':>10}{'macro-F1':>12}{'precision':>12}{'recall':>12}",
        *(
            f"  {name:<47}{each.mean_average_precision:>10.3f}"
            f"{each.macro_f1:>12.3f}{each.precision:>12.3f}{each.recall:>12.3f}"
            for name, each in rows.items()
        ),
    ]


def _means(drawn: Sequence[Measures]) -> dict[str, float]:
    return _rounded({measure: mean(getattr(each, measure) for each in drawn) for measure in _MEASURES})


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}
