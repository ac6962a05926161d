"""A page: rows of panels, with the links, the times and the marks of alarms that all pages share."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from monitoring.dashboards.panels import DATA_SOURCE, Panel

_TAG = "tweet-alerts"

OVERVIEW = "tweet-alerts-overview"
STREAM_GETTER = "tweet-alerts-stream-getter"
CLASSIFIER = "tweet-alerts-classifier"
NOTIFIER = "tweet-alerts-notifier"


def page(uid: str, title: str, description: str, rows: Mapping[str, Sequence[Panel]]) -> models.Dashboard:
    """Rows by their headings, in order."""
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([_TAG])
        .readonly()
        .timezone("browser")
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Pages").type(models.DashboardLinkType.DASHBOARDS).tags([_TAG]).keep_time(True),
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alarms")
            .datasource(DATA_SOURCE)
            .enable(True)
            .icon_color("red")
            .expr('ALERTS{alertstate="firing"}')
        )
    )
    number = 0
    for heading, panels in rows.items():
        number += 1
        built.with_row(dashboard.Row(heading).id(number))
        for panel in panels:
            number += 1
            built.with_panel(panel.id(number))
    return built.build()
