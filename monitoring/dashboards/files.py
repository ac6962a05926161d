"""Which page goes into which file."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from monitoring.dashboards.classifier import classifier
from monitoring.dashboards.notifier import notifier
from monitoring.dashboards.overview import overview
from monitoring.dashboards.stream_getter import stream_getter

#: Seen from the repository's root; compose.yaml mounts it, and shows overview.json first.
FOLDER = "monitoring/grafana/dashboards"


def dashboard_files() -> dict[str, str]:
    """The text of each file by its name; the same text every time."""
    pages = {
        "overview.json": overview(),
        "stream-getter.json": stream_getter(),
        "classifier.json": classifier(),
        "notifier.json": notifier(),
    }
    return {name: json.dumps(page, cls=JSONEncoder, indent=2) + "\n" for name, page in pages.items()}
