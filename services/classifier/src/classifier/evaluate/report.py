"""What a trial has shown, as plain data: the table, the JSON and the page are made of it.

The JSON shape is documented in docs/evaluate.md; fields may be added, and a change that a reader would misread raises
``VERSION``. Shares are from 0 to 1, and None where there is nothing to take a share of.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from classifier.evaluate.wrong_posts import WrongPost

VERSION = 1
#: Among confusions: no label passed instead of the one that was missed.
NOTHING = "nothing"


class Figures(msgspec.Struct, frozen=True):
    """Of the decisions about one label. ``hits``: posts about it that passed; ``precision_interval`` is of 95 %."""

    hits: int
    passed: int
    support: int
    precision: float | None
    precision_interval: tuple[float, float] | None
    recall: float | None
    f1: float | None


class Choice(msgspec.Struct, frozen=True):
    """The threshold that reaches the goal.

    ``figures`` are on the posts that it was chosen by, and so too good; ``cross_validated`` are on posts that a
    threshold chosen in the same way had not seen. ``doubt`` says why it is not to be trusted, and is empty otherwise.
    """

    threshold: float
    figures: Figures
    cross_validated: Figures
    doubt: str


class Confusion(msgspec.Struct, frozen=True):
    """So many posts; ``label`` is "none" for posts about none, and "nothing" where no other label passed instead."""

    label: str
    posts: int


class Histogram(msgspec.Struct, frozen=True):
    """Posts by score, in equal parts from 0 to 1: those about the label, and the others."""

    about: list[int]
    others: list[int]


class CurvePoint(msgspec.Struct, frozen=True, array_like=True):
    """Threshold, precision, recall."""

    threshold: float
    precision: float
    recall: float


class LabelReport(msgspec.Struct, frozen=True, kw_only=True):
    """One label.

    ``missed`` are labels that passed, without being right, for posts about this one that it missed; ``false_alarms``
    what the posts are about that it passed for in error. Posts that are ``vetoed`` or ``not_asked`` about it cannot
    pass, whatever the threshold. ``choice`` is None where ``no_choice`` says why.
    """

    name: str
    support: int
    threshold: float
    now: Figures
    average_precision: float | None
    choice: Choice | None
    no_choice: str
    vetoed: int
    not_asked: int
    missed: list[Confusion]
    false_alarms: list[Confusion]
    worst: list[WrongPost]
    curve: list[CurvePoint]
    histogram: Histogram


class Overall(msgspec.Struct, frozen=True):
    """Means over the labels that have posts. ``alerted_in_error``: of the posts about none, those that passed."""

    labels: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    f1_cross_validated: float | None
    posts_about_none: int
    alerted_in_error: int


class Speed(msgspec.Struct, frozen=True):
    """``calls`` are those of the endpoint, probes included, by outcome; ``answers`` posts by how they were answered."""

    seconds: float
    posts_per_s: float
    calls: dict[str, int]
    answers: dict[str, int]
    without_model: float | None


class RefusedPost(msgspec.Struct, frozen=True):
    """A post that the endpoint cannot judge: it is left out of all figures."""

    line: int
    id: str
    reason: str
    text: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One trial. ``posts`` were judged; ``left_out`` are examples of the configuration."""

    v: int = VERSION
    at: datetime
    file: str
    config: str
    config_version: str
    endpoint: str
    model: str
    goal: str
    posts: int
    left_out: int
    refused: int
    refused_posts: list[RefusedPost]
    remarks: list[str]
    labels: list[LabelReport]
    overall: Overall
    speed: Speed


def without_model(answers: Mapping[str, int]) -> float | None:
    """The share of posts that the model was not asked about, of counts by how they were answered."""
    total = sum(answers.values())
    return (total - answers.get("model", 0)) / total if total else None
