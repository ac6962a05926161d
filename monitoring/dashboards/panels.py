"""The three kinds of panel that the pages are made of, with what is the same for all of them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models

Panel = stat.Panel | timeseries.Panel | bargauge.Panel
Colour = Literal["green", "yellow", "red", "blue", "text"]
#: From which value on which colour; the first step has no lower end.
Steps = Sequence[tuple[float | None, Colour]]
#: For a value, what is said instead of it, and in which colour.
Words = Mapping[float, tuple[str, Colour]]

DATA_SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")

NEUTRAL: Steps = [(None, "text")]
#: Anything at all is trouble.
NONE_IS_GOOD: Steps = [(None, "green"), (1, "red")]
#: Shares of 1.
ALL_IS_GOOD: Steps = [(None, "red"), (0.5, "yellow"), (0.99, "green")]

#: Grafana takes four of these for $__rate_interval: rates look back over a minute at least, so few posts show too.
_SHORTEST_STEP = "15s"


def single(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str = "none",
    steps: Steps = NEUTRAL,
    words: Words | None = None,
    without_data: str = "unknown",
    decimals: int | None = None,
    width: int = 4,
    page: str | None = None,
) -> stat.Panel:
    """One figure of this moment, or the words for it; ``page`` is the uid of the dashboard that tells more."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .with_target(_query("A", expr, "").instant())
        .unit(unit)
        .thresholds(_thresholds(steps))
        .mappings(_mappings(words or {}, without_data))
        .no_value(without_data)
        .color_mode(options.BigValueColorMode.BACKGROUND if len(steps) > 1 or words else options.BigValueColorMode.NONE)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(options.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(width)
        .height(4)
    )
    if decimals is not None:
        panel.decimals(decimals)
    if page:
        panel.links([dashboard.DashboardLink("More").url(f"/d/{page}").keep_time(True)])
    return panel


def named(title: str, description: str, expr: str, legend: str, *, width: int = 4) -> stat.Panel:
    """What a series is called (by its legend) instead of its value."""
    return (
        single(title, description, expr, width=width)
        .targets([_query("A", expr, legend).instant()])
        .text_mode(options.BigValueTextMode.NAME)
    )


def timeline(
    title: str,
    description: str,
    series: Mapping[str, str],
    *,
    unit: str,
    stacked: bool = False,
    limit: float | None = None,
    width: int = 12,
) -> timeseries.Panel:
    """Lines over time: PromQL by legend ("{{queue}}" stands for a label). ``limit`` is drawn as a dashed line."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .targets([_query(chr(ord("A") + at), expr, legend) for at, (legend, expr) in enumerate(series.items())])
        .unit(unit)
        .min(0)
        .line_width(2)
        .fill_opacity(60 if stacked else 8)
        .show_points(options.VisibilityMode.NEVER)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .legend(common.VizLegendOptions().show_legend(True).placement(options.LegendPlacement.BOTTOM))
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING))
        .span(width)
        .height(8)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A"))
    if limit is not None:
        panel.thresholds(_thresholds([(None, "green"), (limit, "red")]))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED))
    return panel


def ranking(title: str, description: str, expr: str, legend: str, *, unit: str, width: int = 8) -> bargauge.Panel:
    """Bars, the longest first; the query sorts."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .with_target(_query("A", expr, legend).instant())
        .unit(unit)
        .decimals(0)
        .min(0)
        .no_value("none yet")
        .thresholds(_thresholds([(None, "blue")]))
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(width)
        .height(8)
    )


def _query(ref_id: str, expr: str, legend: str) -> prometheus.Dataquery:
    query = prometheus.Dataquery().ref_id(ref_id).expr(expr).legend_format(legend).datasource(DATA_SOURCE)
    return query.range().interval(_SHORTEST_STEP)


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )


def _mappings(words: Words, without_data: str) -> list[models.ValueMapping]:
    # a rate's share of nothing is NaN
    nothing = models.SpecialValueMap(
        options=models.DashboardSpecialValueMapOptions(
            match=models.SpecialValueMatch.NULL_AND_NAN,
            result=models.ValueMappingResult(text=without_data, color="text", index=len(words)),
        )
    )
    said = {
        f"{value:g}": models.ValueMappingResult(text=text, color=colour, index=at)
        for at, (value, (text, colour)) in enumerate(words.items())
    }
    return [models.ValueMap(options=said), nothing] if said else [nothing]
