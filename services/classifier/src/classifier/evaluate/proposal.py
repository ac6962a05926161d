"""Thresholds as YAML that can be pasted into the configuration."""

import json
from collections.abc import Iterator

from classifier.evaluate.report import LabelReport, Report
from classifier.evaluate.table import share, told_interval
from pipeline.errors import UserMistake
from pipeline.yaml_text import load_yaml


def proposal_lines(report: Report) -> Iterator[str]:
    """Every label of the configuration; those as they were for which no threshold can be trusted."""
    yield f"# For the {report.goal}, by {report.posts:,} labelled posts; unseen ones are those not chosen by."
    yield "# Thresholds alone: what else a label has stays."
    yield f"tuned_for: {scalar(report.model)}"
    yield "labels:"
    for label in report.labels:
        yield f"  - name: {scalar(label.name)}"
        yield from _threshold(label)


def _threshold(label: LabelReport) -> Iterator[str]:
    if label.choice is None:
        yield from _as_it_was(label, label.no_choice)
        return
    if label.choice.doubt:
        yield from _as_it_was(label, f"with {label.choice.threshold:g} {label.choice.doubt}")
        return
    seen, unseen = label.choice.figures, label.choice.cross_validated
    yield (
        f"    # {label.support:,} posts: precision {share(seen.precision)} ({told_interval(seen)}),"
        f" recall {share(seen.recall)}"
    )
    yield (
        f"    # unseen: precision {share(unseen.precision)} ({told_interval(unseen)}), recall {share(unseen.recall)};"
        f" it was {label.threshold:g}"
    )
    yield f"    threshold: {label.choice.threshold:g}"


def _as_it_was(label: LabelReport, why: str) -> Iterator[str]:
    yield f"    # as it was: {why}"
    yield f"    threshold: {label.threshold:g}"


def scalar(text: str) -> str:
    """The text as YAML reads it back: as it is where that will do, and quoted as JSON has it otherwise."""
    try:
        is_plain = load_yaml(text, "") == text
    except UserMistake:
        is_plain = False
    return text if is_plain else json.dumps(text)
