"""The figures, as a table for people, as JSON for machines, and held against their bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.pipeline.memory import Memory
from bench.stream_getter.client import Delay, Measured

#: At least so many times the posts a second of one call a post.
LEAST_TO_SINGLE = 8.0
#: At least so much of the posts a second of a bare loop of batches.
LEAST_TO_BATCH = 0.9
LEAST_PARSED = 50_000.0
MOST_CALLS = 0.11
#: Milliseconds that a quiet stream's post may take until its call begins, in the median.
MOST_DELAY_MS = 60.0
MOST_GROWTH_MB = 4.0

NAMES = {"ours": "stream-getter", "single": "(a) one call a post", "batch": "(b) bare batches, the limit"}


@dataclass(frozen=True)
class Figures:
    """What one run has found. ``runs`` by way, those of a round at the same place."""

    server: str
    latency: float
    posts: Mapping[str, int]
    senders: int
    python: str
    runs: Mapping[str, Sequence[Measured]]
    parsed: float
    delay: Delay
    memory: Memory

    def posts_per_s(self, way: str) -> float:
        """The median of the rounds."""
        return median(self.posts[way] / run.seconds for run in self.runs[way])

    def ratio_to(self, way: str) -> float:
        """Our posts a second by those of the other way in the same round: the median of the rounds."""
        pairs = zip(self.runs["ours"], self.runs[way], strict=True)
        return median(
            (self.posts["ours"] / mine.seconds) / (self.posts[way] / theirs.seconds) for mine, theirs in pairs
        )

    def processor_ms(self, way: str) -> float:
        """Of a post; the median of the rounds."""
        return median(1000 * run.processor_seconds / self.posts[way] for run in self.runs[way])

    def calls_per_post(self, way: str) -> float:
        """The worst of the rounds."""
        return max(run.calls / self.posts[way] for run in self.runs[way])

    def resident_mb(self, way: str) -> float:
        """Megabytes (2**20 bytes) after the last round."""
        return self.runs[way][-1].resident / 2**20


def broken_bounds(figures: Figures) -> list[str]:
    """A line for each figure that is out of its bounds."""
    least = {
        "ratio_to_single_send": (figures.ratio_to("single"), LEAST_TO_SINGLE),
        "ratio_to_batch_limit": (figures.ratio_to("batch"), LEAST_TO_BATCH),
        "parse_posts_per_s": (figures.parsed, LEAST_PARSED),
    }
    most = {
        "calls_per_post": (figures.calls_per_post("ours"), MOST_CALLS),
        "added_delay_ms_p50": (figures.delay.added_p50, MOST_DELAY_MS),
        "memory_growth_mb": (figures.memory.growth_mb, MOST_GROWTH_MB),
    }
    return [
        *(f"{name}: expected at least {bound:g}, got {got:.3f}" for name, (got, bound) in least.items() if got < bound),
        *(f"{name}: expected at most {bound:g}, got {got:.3f}" for name, (got, bound) in most.items() if got > bound),
    ]


def as_json(figures: Figures) -> dict[str, Any]:
    """The figures by name; the first seven are what the service promises of itself."""
    return {
        "posts_per_s": round(figures.posts_per_s("ours")),
        "ratio_to_single_send": round(figures.ratio_to("single"), 2),
        "ratio_to_batch_limit": round(figures.ratio_to("batch"), 3),
        "calls_per_post": round(figures.calls_per_post("ours"), 4),
        "parse_posts_per_s": round(figures.parsed),
        "added_delay_ms_p50": round(figures.delay.added_p50, 1),
        "memory_growth_mb": round(figures.memory.growth_mb, 2),
        "added_delay_ms_p95": round(figures.delay.added_p95, 1),
        "total_delay_ms_p50": round(figures.delay.total_p50, 1),
        "memory_peak_mb": round(figures.memory.peak_mb, 1),
        "memory_posts": figures.memory.messages,
        "server": figures.server,
        "latency_ms": round(1000 * figures.latency, 3),
        "senders": figures.senders,
        "rounds": len(figures.runs["ours"]),
        "posts_per_s_by_way": {way: round(figures.posts_per_s(way)) for way in figures.runs},
        "cpu_ms_per_post": {way: round(figures.processor_ms(way), 4) for way in figures.runs},
        "python": figures.python,
    }


def table(figures: Figures) -> str:
    """For people."""
    late = f", each answer {1000 * figures.latency:g} ms late" if figures.latency else ""
    lines = [
        f"from the socket to the queue; server {figures.server}{late}; senders: {figures.senders}",
        f"  {'':<28}{'posts/s':>9}{'ours by it':>12}{'processor ms/post':>19}{'calls/post':>12}{'memory MB':>11}",
    ]
    for way in figures.runs:
        ratio = "" if way == "ours" else f"{figures.ratio_to(way):.2f}"
        lines.append(
            f"  {NAMES[way]:<28}{figures.posts_per_s(way):>9.0f}{ratio:>12}{figures.processor_ms(way):>19.3f}"
            f"{figures.calls_per_post(way):>12.3f}{figures.resident_mb(way):>11.1f}"
        )
    delay, memory = figures.delay, figures.memory
    return "\n".join(
        [
            *lines,
            "",
            f"parsing alone: {figures.parsed:.0f} posts/s on one core",
            f"a quiet stream's post: its call begins after {delay.added_p50:.1f} ms (median), {delay.added_p95:.1f} ms"
            f" (p95), and has ended after {delay.total_p50:.1f} ms (median)",
            f"memory over {memory.messages} posts: {memory.growth_mb:+.2f} MB, {memory.peak_mb:.1f} MB at most",
        ]
    )
