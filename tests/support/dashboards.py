"""What the committed dashboards ask Prometheus, and which metrics there are to ask for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path("monitoring/grafana/dashboards")

#: Metrics that Prometheus and its client make themselves.
STANDARD_METRICS = frozenset({"up", "ALERTS", "process_resident_memory_bytes", "process_cpu_seconds_total"})

#: Series that appear with the first trouble of their kind: a panel that asks for nothing else is empty until then.
SERIES_OF_TROUBLE = (
    "stream_getter_lines_refused_total",
    "stream_getter_posts_dropped_total",
    "stream_getter_posts_repeated_total",
    "stream_getter_reconnects_total",
)

#: What Grafana puts in at a range of half an hour.
_VARIABLES = {"$__rate_interval": "1m", "$__range": "30m"}


class PanelQuery(NamedTuple):
    """One query of a panel, ready for Prometheus."""

    dashboard: str
    panel: str
    expr: str

    @property
    def may_be_empty(self) -> bool:
        """Whether it only shows something after some trouble."""
        return "vector(0)" not in self.expr and any(name in self.expr for name in SERIES_OF_TROUBLE)


def dashboards(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """The committed dashboards by file name."""
    return {path.name: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard, those in collapsed rows included; rows themselves are none."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def panel_queries(folder: Path = FOLDER) -> list[PanelQuery]:
    """Every query of every panel, with Grafana's variables replaced."""
    return [
        PanelQuery(dashboard["title"], panel["title"], without_variables(target["expr"]))
        for dashboard in dashboards(folder).values()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def without_variables(expr: str) -> str:
    """A query as Prometheus takes it. Raises ValueError for a variable that is not known here."""
    for variable, value in _VARIABLES.items():
        expr = expr.replace(variable, value)
    if "$" in expr:
        raise ValueError(f"expected only the variables {', '.join(_VARIABLES)}, got {expr}")
    return expr


def metric_names(expr: str) -> set[str]:
    """The metrics that a query asks for: names that are neither functions nor labels nor words of PromQL."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)', " ", expr)
    words = re.findall(r"[A-Za-z_:][A-Za-z0-9_:]*\b(?!\s*\()", re.sub(r"[0-9.]+[a-z]*\b", " ", bare))
    return set(words) - {"by", "or", "and", "unless", "offset"} - _AGGREGATIONS


#: They may stand before "by", where no bracket follows them.
_AGGREGATIONS = frozenset({"sum", "min", "max", "avg", "count", "topk"})


def documented_metrics(reference: Path = Path("docs/metrics.md")) -> set[str]:
    """The names of docs/metrics.md as queries use them, a histogram by those of its three series."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", reference.read_text(), flags=re.MULTILINE)
    names = set(STANDARD_METRICS)
    for name, kind in rows:
        names |= {f"{name}_{suffix}" for suffix in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names
