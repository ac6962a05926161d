"""The figures, as a table for people, as JSON for machines, and held against their bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.classifier.quiet import Delay
from bench.classifier.reposts import Judged
from bench.classifier.rounds import Run
from bench.classifier.stub_endpoint import Speed

#: At least so many times the posts a second of the AWS sample's way, at the stub.
LEAST_TO_SAMPLE = 10.0
#: At least so much of the texts a second that an endpoint gives when it is asked directly, or of what the queues give.
LEAST_TO_LIMIT = 0.9
#: Milliseconds of processor time a post.
MOST_PROCESSOR_MS = 0.6
#: Receiving and deleting ten at a time is 0.2, and each alert a tenth of a call.
MOST_CALLS = 0.25
#: Texts for 100,000 posts of which 40,000 are reposts.
MOST_TEXTS = 62_000.0

NAMES = {
    "ours": "classifier",
    "sample": "(a) the sample's way",
    "direct": "(b) the endpoint alone",
    "carry": "the queues alone",
}
#: Calls of one receive and one deletion of ten.
_RECEIVING_AND_DELETING = 0.2


@dataclass(frozen=True)
class AtEndpoint:
    """What was found at one endpoint: ``runs`` and ``delays`` by way; the runs of a round stand at the same place."""

    runs: Mapping[str, Sequence[Run]]
    delays: Mapping[str, Delay]
    callers: int

    def posts_per_s(self, way: str) -> float:
        """The median of the rounds."""
        return median(run.posts / run.seconds for run in self.runs[way])

    def ratio(self, way: str, to: str) -> float:
        """Posts a second by those of another way in the same round: the median of the rounds."""
        pairs = zip(self.runs[way], self.runs[to], strict=True)
        return median((mine.posts / mine.seconds) / (theirs.posts / theirs.seconds) for mine, theirs in pairs)

    def processor_ms(self, way: str) -> float:
        """Of a post; the median of the rounds."""
        return median(1000 * run.processor_seconds / run.posts for run in self.runs[way])

    def sqs_calls(self, way: str) -> float | None:
        """Of a post, the worst of the rounds; None where nobody counts."""
        counted = [run.sqs_calls / run.posts for run in self.runs[way] if run.sqs_calls is not None]
        return max(counted) if counted else None

    def endpoint_calls(self, way: str) -> float:
        """Of a post, the worst of the rounds."""
        return max(run.endpoint_calls / run.posts for run in self.runs[way])

    @property
    def alert_share(self) -> float:
        """Alerts by posts, of ours."""
        return sum(run.alerts for run in self.runs["ours"]) / sum(run.posts for run in self.runs["ours"])


@dataclass(frozen=True)
class Figures:
    """What one run has found. ``latency`` is what the server adds to a call, in seconds."""

    server: str
    latency: float
    rounds: int
    cores: str
    python: str
    speed: Speed
    stub: AtEndpoint
    real: AtEndpoint
    reposts: Judged

    @property
    def limit(self) -> str:
        """What is the narrowest at the stub, apart from the service: ``endpoint`` or ``queues``."""
        return "endpoint" if self.stub.ratio("direct", "carry") < 1 else "queues"

    @property
    def ratio_to_limit_stub(self) -> float:
        """Our posts a second by what this limit lets through."""
        return self.stub.ratio("ours", "direct" if self.limit == "endpoint" else "carry")


def broken_bounds(figures: Figures) -> list[str]:
    """A line for each figure that is out of its bounds."""
    least = {
        "ratio_to_sample_stub": (figures.stub.ratio("ours", "sample"), LEAST_TO_SAMPLE),
        "ratio_to_limit_real": (figures.real.ratio("ours", "direct"), LEAST_TO_LIMIT),
        "ratio_to_limit_stub": (figures.ratio_to_limit_stub, LEAST_TO_LIMIT),
    }
    most = {
        "cpu_ms_per_post": (figures.stub.processor_ms("ours"), MOST_PROCESSOR_MS),
        "sqs_calls_per_post": (figures.stub.sqs_calls("ours") or 0.0, MOST_CALLS),
        "model_texts_per_100k": (figures.reposts.texts_per_100k, MOST_TEXTS),
    }
    return [
        *(f"{name}: expected at least {bound:g}, got {got:.3f}" for name, (got, bound) in least.items() if got < bound),
        *(f"{name}: expected at most {bound:g}, got {got:.4f}" for name, (got, bound) in most.items() if got > bound),
    ]


def as_json(figures: Figures) -> dict[str, Any]:
    """The figures by name; the first six are what the service promises of itself."""
    stub, real, reposts = figures.stub, figures.real, figures.reposts
    return {
        "ratio_to_sample_stub": round(stub.ratio("ours", "sample"), 2),
        "ratio_to_limit_real": round(real.ratio("ours", "direct"), 3),
        "cpu_ms_per_post": round(stub.processor_ms("ours"), 4),
        "sqs_calls_per_post": _rounded(stub.sqs_calls("ours"), 4),
        "added_delay_ms_p95": round(stub.delays["ours"].added_p95, 1),
        "model_texts_per_100k": round(reposts.texts_per_100k),
        "added_delay_ms_p50": round(stub.delays["ours"].added_p50, 1),
        "ratio_to_limit_stub": round(figures.ratio_to_limit_stub, 3),
        "limit_stub": figures.limit,
        "endpoint_calls_per_post": round(stub.endpoint_calls("ours"), 4),
        "reposts": {
            "posts": reposts.posts,
            "originals": reposts.originals,
            "texts": reposts.texts,
            "calls": reposts.calls,
            "posts_per_s": round(reposts.posts / reposts.seconds),
            "memory_mb": round(reposts.resident_mb, 1),
        },
        "stub": _by_way(stub),
        "real": _by_way(real),
        "stub_ms_per_call": round(1000 * figures.speed.call, 3),
        "stub_ms_per_text": round(1000 * figures.speed.text, 3),
        "stub_calls_at_once": figures.speed.slots,
        "server": figures.server,
        "latency_ms": round(1000 * figures.latency, 3),
        "rounds": figures.rounds,
        "cores": figures.cores,
        "python": figures.python,
    }


def table(figures: Figures) -> str:
    """For people."""
    late = f", each answer {1000 * figures.latency:g} ms late" if figures.latency else ""
    speed, reposts = figures.speed, figures.reposts
    stub = (
        f"a stub of {1000 * speed.call:g} ms a call and {1000 * speed.text:g} ms a text, {speed.slots} call(s) at once"
    )
    return "\n".join(
        [
            f"server {figures.server}{late}; {figures.cores}",
            "",
            *_rows(stub, figures.stub),
            f"  the limit here: {figures.limit}, of which classifier reaches {figures.ratio_to_limit_stub:.2f}",
            "",
            *_rows("the real model", figures.real),
            "",
            f"{reposts.posts} posts, {reposts.posts - reposts.originals} of them reposts: {reposts.texts} texts in "
            f"{reposts.calls} calls at an endpoint that answers at once; "
            f"{reposts.posts / reposts.seconds:.0f} posts/s, {reposts.resident_mb:.0f} MB",
        ]
    )


def _rows(title: str, at: AtEndpoint) -> list[str]:
    lines = [
        f"{title}; alerts: {at.alert_share:.0%} of the posts; callers of (b): {at.callers}",
        f"  {'':<24}{'posts/s':>9}{'ours by it':>12}{'processor':>11}{'SQS calls':>11}{'model calls':>13}"
        f"{'added delay ms':>18}{'in all':>9}",
        f"  {'':<24}{'':>9}{'':>12}{'ms/post':>11}{'/post':>11}{'/post':>13}{'p50':>9}{'p95':>9}{'p50':>9}",
    ]
    for way in at.runs:
        ratio = "" if way == "ours" else f"{at.ratio('ours', way):.2f}"
        delay = at.delays.get(way)
        delays = f"{delay.added_p50:>9.1f}{delay.added_p95:>9.1f}{delay.total_p50:>9.1f}" if delay else ""
        lines.append(
            f"  {NAMES[way]:<24}{at.posts_per_s(way):>9.0f}{ratio:>12}{at.processor_ms(way):>11.3f}"
            f"{_shown(at.sqs_calls(way)):>11}{at.endpoint_calls(way):>13.3f}{delays}".rstrip()
        )
    calls = at.sqs_calls("ours")
    if calls is not None:
        least = _RECEIVING_AND_DELETING + at.alert_share / 10
        lines.append(f"  with this share of alerts {least:.3f} SQS calls a post are the fewest that can be")
    return lines


def _by_way(at: AtEndpoint) -> Mapping[str, Any]:
    return {
        "alert_share": round(at.alert_share, 3),
        "callers": at.callers,
        **{
            way: {
                "posts_per_s": round(at.posts_per_s(way), 1),
                "cpu_ms_per_post": round(at.processor_ms(way), 4),
                "sqs_calls_per_post": _rounded(at.sqs_calls(way), 4),
                "endpoint_calls_per_post": round(at.endpoint_calls(way), 4),
                **(_delay(at.delays[way]) if way in at.delays else {}),
            }
            for way in at.runs
        },
    }


def _delay(delay: Delay) -> Mapping[str, float]:
    return {
        "added_delay_ms_p50": round(delay.added_p50, 1),
        "added_delay_ms_p95": round(delay.added_p95, 1),
        "total_delay_ms_p50": round(delay.total_p50, 1),
    }


def _rounded(figure: float | None, digits: int) -> float | None:
    return None if figure is None else round(figure, digits)


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"
