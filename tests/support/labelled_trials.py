"""Trials of labelled posts without an endpoint: scores are given instead."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from classifier.cases import Judged, NotAsked
from classifier.endpoint_errors import ContentRefused
from classifier.evaluate.goal import Goal
from classifier.evaluate.labelled_post import labelled_post
from classifier.evaluate.naming import Naming
from classifier.evaluate.reckoning import Reckoned, overall, reckon
from classifier.evaluate.record import LabelledCase, Record
from classifier.evaluate.report import Report, Speed
from classifier.labels import Labels
from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.received_message import ReceivedMessage

_REST = "\nchannels: {t: {type: stdout}}\nroutes: [{channels: [t]}]\n"


class Row(NamedTuple):
    """A labelled post as JSON has it, and its scores by candidate; None for one that is refused."""

    post: Mapping[str, Any]
    scores: Mapping[str, float] | None


def config_of(labels: str) -> AlertsConfig:
    """A configuration with these labels, as YAML."""
    return parse_alerts_config(f"labels: {labels}{_REST}", "alerts.yaml")


def row(text: str, label: str | Sequence[str], scores: Mapping[str, float] | None, **more: Any) -> Row:
    """A post in short."""
    return Row({"text": text, "label": label, **more}, scores)


def many(count: int, about: float, others: float) -> list[Row]:
    """Posts about flood, every other, with these scores and a little noise."""
    return [
        row(
            f"a text that says {number}",
            "flood" if number % 2 else "none",
            {"flood": round((about if number % 2 else others) + number / 1000, 4), "fire": 0.0},
        )
        for number in range(count)
    ]


def record_of(config: AlertsConfig, rows: Sequence[Row], worst: int = 5, record: Record | None = None) -> Record:
    """The record of a trial in which each post got its scores."""
    record = record or Record(config, len(rows), worst)
    labels, naming = Labels(config), Naming(config.labels, {})
    for number, (post, scores) in enumerate(rows):
        labelled = labelled_post(_encoded(post), number + 1)
        about, strangers = naming.split(labelled.labels)
        message = ReceivedMessage(str(number), "", "", 1, {})
        case = LabelledCase(message, labelled.post, number, labelled.line, about, strangers)
        label_set = labels.for_post(case.post)
        if label_set is None:
            record.take([(case, NotAsked())])
            continue
        case.label_set = label_set
        answer = (
            ContentRefused("too strange")
            if scores is None
            else Judged([scores[candidate] for candidate in label_set.candidates], "m")
        )
        record.take([(case, answer)])
    return record


def report_of(
    record: Record, goal: Goal | None = None, remarks: Sequence[str] = ()
) -> tuple[Report, Sequence[Reckoned]]:
    """What is made of it."""
    goal = goal or Goal()
    rows = [number for number, is_judged in enumerate(record.judged) if is_judged]
    reckoned = [reckon(label, rows, record.keys, goal) for label in record.labels.values()]
    labels = [each.report for each in reckoned]
    report = Report(
        at=datetime(2026, 11, 25, tzinfo=UTC),
        file="posts.jsonl",
        config="alerts.yaml",
        config_version="sha256 0",
        endpoint="minilm",
        model="minilm",
        goal=str(goal),
        posts=len(rows),
        left_out=0,
        refused=record.refused_count,
        refused_posts=record.refused,
        remarks=list(remarks),
        labels=labels,
        overall=overall(record, rows, labels),
        speed=Speed(1.0, 10.0, {"ok": 3, "EndpointBusy": 1}, {"model": 8, "cache": 2}, 0.2),
    )
    return report, reckoned


def _encoded(post: Mapping[str, Any]) -> bytes:
    return json.dumps(post).encode()
