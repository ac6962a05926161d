"""The figures, as a table for people, as JSON for machines, and held against their bounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from bench.model.measured import REFUSED, Measured
from bench.pipeline.memory import Memory

#: At least so much of the posts a second of the bare loop.
LEAST_RATIO = 0.9
#: At least so much of the posts a second with few labels, with many.
LEAST_MANY_LABELS = 0.95
#: A busy endpoint's p95 is at most so many times an idle one's median.
MOST_TIMES_IDLE = 3.0
MOST_GROWTH_MB = 16.0


@dataclass(frozen=True)
class Figures:
    """What one run has found: `posts` posts by each way, those of a round at the same place.

    `idle` and `busy` are seconds of single texts; `single_texts_per_s` is what the endpoint bears of such at most, and
    half of them arrive a second when it is busy.
    """

    threads: int
    posts: int
    python: str
    few_labels: Sequence[Measured]
    many_labels: Sequence[Measured]
    bare: Sequence[Measured]
    idle: Sequence[float]
    busy: Sequence[float]
    single_texts_per_s: float
    memory: Memory

    def posts_per_s(self, runs: Sequence[Measured]) -> float:
        """The median of the rounds."""
        return median(self.posts / run.seconds for run in runs)

    def processor_ms(self, runs: Sequence[Measured]) -> float:
        """Of a post; the median of the rounds."""
        return median(1000 * run.processor_seconds / self.posts for run in runs)

    @property
    def ratio_to_bare_loop(self) -> float:
        """Posts a second with few labels by the bare loop's of the same round: the median of the rounds."""
        return median(bare.seconds / ours.seconds for ours, bare in zip(self.few_labels, self.bare, strict=True))

    @property
    def many_to_few_labels(self) -> float:
        """Posts a second with many labels by those with few of the same round: the median of the rounds."""
        return median(few.seconds / many.seconds for few, many in zip(self.few_labels, self.many_labels, strict=True))

    @property
    def p95_to_idle_median(self) -> float:
        """Of single texts: the 95th percentile at half the capacity by the median of an idle endpoint."""
        return _p95(self.busy) / median(self.idle)


def broken_bounds(figures: Figures) -> list[str]:
    """A line for each figure that is out of its bounds."""
    least = {
        "ratio_to_bare_loop": (figures.ratio_to_bare_loop, LEAST_RATIO),
        "many_to_few_labels": (figures.many_to_few_labels, LEAST_MANY_LABELS),
    }
    most = {
        "p95_to_idle_median": (figures.p95_to_idle_median, MOST_TIMES_IDLE),
        "memory_growth_mb": (figures.memory.growth_mb, MOST_GROWTH_MB),
    }
    return [
        *(f"{name}: expected at least {bound:g}, got {got:.3f}" for name, (got, bound) in least.items() if got < bound),
        *(f"{name}: expected at most {bound:g}, got {got:.3f}" for name, (got, bound) in most.items() if got > bound),
    ]


def as_json(figures: Figures) -> dict[str, Any]:
    """The figures by name; the first four are what the endpoint promises of itself."""
    return {
        "ratio_to_bare_loop": round(figures.ratio_to_bare_loop, 3),
        "posts_per_s_20_labels": round(figures.posts_per_s(figures.few_labels)),
        "posts_per_s_100_labels": round(figures.posts_per_s(figures.many_labels)),
        "p95_to_idle_median": round(figures.p95_to_idle_median, 2),
        "many_to_few_labels": round(figures.many_to_few_labels, 3),
        "posts_per_s_bare_loop": round(figures.posts_per_s(figures.bare)),
        "cpu_ms_per_post": round(figures.processor_ms(figures.few_labels), 3),
        "cpu_ms_per_post_bare_loop": round(figures.processor_ms(figures.bare), 3),
        "idle_ms_p50": round(1000 * median(figures.idle), 2),
        "busy_ms_p50": round(1000 * median(figures.busy), 2),
        "busy_ms_p95": round(1000 * _p95(figures.busy), 2),
        "busy_refused": figures.busy.count(REFUSED),
        "single_texts_per_s": round(figures.single_texts_per_s),
        "memory_growth_mb": round(figures.memory.growth_mb, 2),
        "memory_peak_mb": round(figures.memory.peak_mb, 1),
        "threads": figures.threads,
        "rounds": len(figures.bare),
        "python": figures.python,
    }


def table(figures: Figures) -> str:
    """For people."""
    rows = (
        ("20 labels", figures.few_labels, f"{figures.ratio_to_bare_loop:.2f}"),
        ("100 labels", figures.many_labels, ""),
        ("bare loop, the limit", figures.bare, ""),
    )
    idle, busy, memory = figures.idle, figures.busy, figures.memory
    return "\n".join(
        [
            f"lists of posts over HTTP; the model on {figures.threads} threads",
            f"  {'':<24}{'posts/s':>9}{'by the bare loop':>19}{'processor ms/post':>20}",
            *(
                f"  {name:<24}{figures.posts_per_s(runs):>9.0f}{ratio:>19}{figures.processor_ms(runs):>20.2f}"
                for name, runs, ratio in rows
            ),
            "",
            "single texts, milliseconds over HTTP",
            f"  one by one, the endpoint else idle: {1000 * median(idle):.1f} (median), {1000 * _p95(idle):.1f} (p95)",
            f"  {figures.single_texts_per_s / 2:.0f} a second at random, half of what it bears:"
            f" {1000 * median(busy):.1f} (median), {1000 * _p95(busy):.1f} (p95),"
            f" {figures.p95_to_idle_median:.2f} times the idle median",
            "",
            f"memory over {memory.messages} posts of 1 to 256 tokens: {memory.growth_mb:+.1f} MB,"
            f" {memory.peak_mb:.0f} MB at most",
        ]
    )


def _p95(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=20)[-1]
