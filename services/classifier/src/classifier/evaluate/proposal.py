"""Thresholds as YAML that can be pasted into the configuration."""

import json
from collections.abc import Iterator

from classifier.evaluate.exact import exact
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
        yield from _as_it_was(label, f"with {exact(label.choice.threshold)} {label.choice.doubt}")
        return
    seen, unseen = label.choice.figures, label.choice.cross_validated
    yield (
        f"    # {label.support:,} posts: precision {share(seen.precision)} ({told_interval(seen)}),"
        f" recall {share(seen.recall)}"
    )
    yield (
        f"    # unseen: precision {share(unseen.precision)} ({told_interval(unseen)}), recall {share(unseen.recall)};"
        f" it was {exact(label.threshold)}"
    )
    yield f"    threshold: {exact(label.choice.threshold)}"


def _as_it_was(label: LabelReport, why: str) -> Iterator[str]:
    yield f"    # as it was: {why}"
    yield f"    threshold: {exact(label.threshold)}"


def scalar(text: str) -> str:
    """The text as YAML reads it back: as it is where that will do, and in double quotes otherwise."""
    try:
        is_plain = load_yaml(text, "") == text
    except UserMistake:
        is_plain = False
    if is_plain:
        return text
    # JSON escapes a character beyond U+FFFF as two halves, which YAML takes for two characters (YAML 1.2.2, 5.7)
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
