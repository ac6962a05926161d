"""Each service's README names its settings, metrics and modules as the code has them."""

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

import classifier.metrics
import classifier.settings
import notifier.metrics
import notifier.settings
import stream_getter.bluesky.settings
import stream_getter.file.settings
import stream_getter.kafka.settings
import stream_getter.metrics
import stream_getter.settings
import stream_getter.x.settings
from pipeline.settings import CommonSettings
from stream_getter.sources import SOURCES

SERVICES = Path(__file__).resolve().parents[2] / "services"
SETTINGS: dict[str, type[CommonSettings]] = {
    "stream-getter": stream_getter.settings.Settings,
    "classifier": classifier.settings.Settings,
    "notifier": notifier.settings.Settings,
}
#: The settings of one source alone, by their heading in stream-getter's README.
SOURCE_SETTINGS: dict[str, type[CommonSettings]] = {
    "Source bluesky": stream_getter.bluesky.settings.BlueskySettings,
    "Source file": stream_getter.file.settings.FileSettings,
    "Source kafka": stream_getter.kafka.settings.KafkaSettings,
    "Source x": stream_getter.x.settings.XSettings,
}
COMMON = {field.name for field in msgspec.structs.fields(CommonSettings)}
METRICS = {
    "stream-getter": stream_getter.metrics.Metrics,
    "classifier": classifier.metrics.Metrics,
    "notifier": notifier.metrics.Metrics,
}


def first_table(service: str, heading: str) -> list[list[str]]:
    """The cells of the rows of the first table below a heading."""
    text = (SERVICES / service / "README.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table, f"{service} has no table below {heading}"
    _head, _line, *rows = table[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows]


def first_column(service: str, heading: str) -> list[str]:
    return [row[0].strip("`") for row in first_table(service, heading)]


def told_default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default == "":
        return "empty"
    return f"`{field.default:g}`" if isinstance(field.default, float) else f"`{field.default}`"


@pytest.mark.parametrize("service", SETTINGS)
def test_the_settings_table_has_every_variable_with_its_default_and_no_other(service: str) -> None:
    told = {row[0].strip("`"): row[1] for row in first_table(service, "Settings")}
    fields = msgspec.structs.fields(SETTINGS[service])
    assert told == {field.encode_name: told_default(field) for field in fields}


@pytest.mark.parametrize("heading", SOURCE_SETTINGS)
def test_the_table_of_a_source_has_its_variables_with_their_defaults_and_no_other(heading: str) -> None:
    told = {row[0].strip("`"): row[1] for row in first_table("stream-getter", heading)}
    fields = [field for field in msgspec.structs.fields(SOURCE_SETTINGS[heading]) if field.name not in COMMON]
    assert told == {field.encode_name: told_default(field) for field in fields}


def test_each_source_has_a_heading() -> None:
    assert {heading.removeprefix("Source ") for heading in SOURCE_SETTINGS} == set(SOURCES)


@pytest.mark.parametrize("service", METRICS)
def test_the_metrics_table_has_every_metric_and_no_other(service: str) -> None:
    registry = CollectorRegistry()
    METRICS[service](registry)
    exposed = [f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in registry.collect()]
    assert sorted(first_column(service, "Metrics")) == sorted(exposed)


@pytest.mark.parametrize("service", SETTINGS)
def test_the_modules_table_has_every_module_and_no_other(service: str) -> None:
    source = SERVICES / service / "src" / service.replace("-", "_")
    modules = [str(path.relative_to(source)) for path in source.rglob("*.py") if path.name != "__init__.py"]
    assert sorted(first_column(service, "Modules")) == sorted(modules)
