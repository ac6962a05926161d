"""The tables of the page."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from classifier.evaluate.comparison import Comparison, Verdict
from classifier.evaluate.elements import Child, h
from classifier.evaluate.exact import exact
from classifier.evaluate.report import LabelReport, Report
from classifier.evaluate.table import share, told_interval

_WORDS = {"better": "good", "worse": "bad"}


def now_table(report: Report) -> Element:
    """What the present thresholds reach."""
    headings = (
        "label",
        "posts",
        "threshold",
        "precision",
        "recall",
        "F1",
        "average precision",
        "missed",
        "false alarms",
    )
    return _table(headings, [_now_row(label, number) for number, label in enumerate(report.labels)])


def choice_table(report: Report) -> Element:
    """What other thresholds would."""
    headings = ("label", "threshold", "precision", "recall", "F1", "unseen: precision", "recall", "F1")
    return _table(headings, [_choice_row(label, number) for number, label in enumerate(report.labels)])


def compared_tables(comparison: Comparison) -> Iterator[Element]:
    """The figures of both, and of which the difference is more than chance."""
    yield h("h2", "At the present thresholds")
    headings = (
        "label",
        "posts",
        "precision A",
        "B",
        "recall A",
        "B",
        "F1 A",
        "B",
        "right alone: A",
        "B",
        "B is",
    )
    yield _table(
        headings,
        [
            [
                _link(label.name, number) if label.differs else label.name,
                f"{label.first.support:,}",
                *map(
                    share,
                    (
                        label.first.precision,
                        label.second.precision,
                        label.first.recall,
                        label.second.recall,
                        label.first.f1,
                        label.second.f1,
                    ),
                ),
                *_told(label.now, ""),
            ]
            for number, label in enumerate(comparison.labels)
        ],
    )
    yield h("h2", f"With the threshold of each for the {comparison.first.goal}, on unseen posts")
    best = ("label", "average precision A", "B", "F1 A", "B", "right alone: A", "B", "B is")
    yield _table(
        best,
        [
            [
                _link(label.name, number) if label.differs else label.name,
                *map(share, (*label.average_precision, *label.f1_at_best)),
                *_told(label.at_best, label.no_choice),
            ]
            for number, label in enumerate(comparison.labels)
        ],
    )
    for names, side in ((comparison.only_in_first, "A"), (comparison.only_in_second, "B")):
        if names:
            yield h("p", f"Only in {side}, and not compared: {', '.join(names)}.", class_="note")


def _now_row(label: LabelReport, number: int) -> Sequence[Child | list[Child]]:
    now = label.now
    return [
        _link(label.name, number),
        f"{label.support:,}",
        exact(label.threshold),
        [share(now.precision), h("small", told_interval(now))],
        share(now.recall),
        share(now.f1),
        share(label.average_precision),
        f"{label.support - now.hits:,}",
        f"{now.passed - now.hits:,}",
    ]


def _choice_row(label: LabelReport, number: int) -> Sequence[Child | list[Child]]:
    if label.choice is None:
        return [_link(label.name, number), h("span", label.no_choice, class_="soft")]
    seen, unseen = label.choice.figures, label.choice.cross_validated
    return [
        _link(label.name, number),
        exact(label.choice.threshold),
        *map(share, (seen.precision, seen.recall, seen.f1)),
        [share(unseen.precision), h("small", told_interval(unseen))],
        *map(share, (unseen.recall, unseen.f1)),
    ]


def _told(verdict: Verdict | None, why_none: str) -> Sequence[Child]:
    if verdict is None:
        return ["-", "-", h("span", why_none, class_="soft")]
    word = h("span", verdict.word, class_=_WORDS.get(verdict.word, "soft"))
    return [f"{verdict.only_first:,}", f"{verdict.only_second:,}", word]


def _link(name: str, number: int) -> Element:
    return h("a", name, href=f"#label-{number}")


def _table(headings: Sequence[str], rows: Sequence[Sequence[Child | list[Child]]]) -> Element:
    body = []
    for row in rows:
        cells = [h("td", cell) for cell in row]
        if len(cells) < len(headings):
            cells[-1].set("colspan", str(len(headings) - len(cells) + 1))
        body.append(h("tr", cells))
    head = h("thead", h("tr", (h("th", heading) for heading in headings)))
    return h("div", h("table", head, h("tbody", body)), class_="wide")
