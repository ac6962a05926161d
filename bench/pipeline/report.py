"""The figures, as a table for people, as JSON for machines, and held against their bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.pipeline.comparison import Compared, Run
from bench.pipeline.memory import Memory

#: At least so much of the bare loop's messages a second.
LEAST_SPEED = 0.9
#: At most so much of the bare loop's processor time.
MOST_PROCESSOR = 1.25
#: At most so many calls a message: one receive and one deletion for ten is 0.2, one batch sent 0.1.
MOST_CALLS_RECEIVING = 0.22
MOST_CALLS_SENDING = 0.11
#: Megabytes by which memory may grow: over 200,000 messages 10 bytes each, less than the smallest object left behind.
MOST_GROWTH_MB = 2.0


@dataclass(frozen=True)
class Figures:
    """What one run of the benchmark has found.

    ``late`` was compared where each call takes as long as in a network, ``at_once`` where the server answers at once.
    One of them may be missing.
    """

    server: str
    latency: float
    rounds: int
    messages: int
    python: str
    late: Sequence[Compared]
    at_once: Sequence[Compared]
    memory: Memory

    @property
    def _judged(self) -> Sequence[Compared]:
        return self.late or self.at_once

    @property
    def speed_ratio(self) -> float:
        """The lowest of the parts."""
        return min(each.speed_ratio for each in self._judged)

    @property
    def processor_ratio(self) -> float:
        """The highest of the parts."""
        return max(each.processor_ratio for each in self._judged)

    @property
    def calls_receiving(self) -> float:
        """Calls for receiving and deleting a message, of the part with the most."""
        return max(each.calls_per_message("pipeline", _receiving) for each in self._judged if each.part.receives)

    @property
    def calls_sending(self) -> float:
        """Calls for sending a message, of the part with the most."""
        return max(each.calls_per_message("pipeline", _sending) for each in self._judged if each.part.sends)


def broken_bounds(figures: Figures) -> list[str]:
    """A line for each figure that is out of its bounds."""
    most = {
        "cpu_ratio_to_bare_loop": (figures.processor_ratio, MOST_PROCESSOR),
        "calls_per_message": (figures.calls_receiving, MOST_CALLS_RECEIVING),
        "calls_per_message_sending": (figures.calls_sending, MOST_CALLS_SENDING),
        "memory_growth_mb": (figures.memory.growth_mb, MOST_GROWTH_MB),
    }
    broken = [f"{name}: expected at most {bound}, got {got:.4f}" for name, (got, bound) in most.items() if got > bound]
    if figures.speed_ratio < LEAST_SPEED:
        broken.insert(0, f"ratio_to_bare_loop: expected at least {LEAST_SPEED}, got {figures.speed_ratio:.4f}")
    return broken


def as_json(figures: Figures) -> dict[str, Any]:
    """The figures by name; the first four are what the library promises of itself."""
    return {
        "ratio_to_bare_loop": round(figures.speed_ratio, 3),
        "cpu_ratio_to_bare_loop": round(figures.processor_ratio, 3),
        "calls_per_message": round(figures.calls_receiving, 4),
        "memory_growth_mb": round(figures.memory.growth_mb, 2),
        "calls_per_message_sending": round(figures.calls_sending, 4),
        "server": figures.server,
        "latency_ms": round(1000 * figures.latency, 3),
        "rounds": figures.rounds,
        "messages": figures.messages,
        "memory_messages": figures.memory.messages,
        "memory_peak_mb": round(figures.memory.peak_mb, 1),
        "python": figures.python,
        "with_latency": _by_part(figures.late),
        "without_latency": _by_part(figures.at_once),
    }


def table(figures: Figures) -> str:
    """For people."""
    lines = []
    for title, compared in (
        (f"each answer {1000 * figures.latency:g} ms late, as in a network", figures.late),
        (f"at once, as fast as the server {figures.server} answers", figures.at_once),
    ):
        if compared:
            lines += [title, *_rows(compared), ""]
    memory = figures.memory
    return "\n".join(
        [
            *lines,
            f"memory over {memory.messages} messages: {memory.growth_mb:+.2f} MB, {memory.peak_mb:.1f} MB at most",
        ]
    )


def _rows(compared: Sequence[Compared]) -> list[str]:
    rows = [
        f"  {'':<24}{'messages/s':>22}{'processor ms/message':>26}{'calls/message':>22}",
        f"  {'':<24}" + f"{'bare':>8}{'ours':>7}{'ratio':>7}  " * 2 + f"{'receive, delete':>15}{'send':>7}",
    ]
    for each in compared:
        speed = [each.messages_per_second(way) for way in ("bare", "pipeline")]
        processor = [each.processor_ms_per_message(way) for way in ("bare", "pipeline")]
        receiving, sending = (each.calls_per_message("pipeline", kind) for kind in (_receiving, _sending))
        rows.append(
            f"  {each.part.name:<24}{speed[0]:>8.0f}{speed[1]:>7.0f}{each.speed_ratio:>7.2f}  "
            f"{processor[0]:>8.3f}{processor[1]:>7.3f}{each.processor_ratio:>7.2f}  "
            f"{f'{receiving:.3f}' if each.part.receives else '':>15}{f'{sending:.3f}' if each.part.sends else '':>7}"
        )
    return [row.rstrip() for row in rows]


def _by_part(compared: Sequence[Compared]) -> Mapping[str, Any]:
    return {
        each.part.name: {
            "ratio": round(each.speed_ratio, 3),
            "cpu_ratio": round(each.processor_ratio, 3),
            "messages_per_second": {way: round(each.messages_per_second(way)) for way in each.runs},
            "cpu_ms_per_message": {way: round(each.processor_ms_per_message(way), 4) for way in each.runs},
        }
        for each in compared
    }


def _receiving(run: Run) -> int:
    return run.calls_receiving


def _sending(run: Run) -> int:
    return run.calls_sending
