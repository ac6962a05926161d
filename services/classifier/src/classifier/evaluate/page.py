"""The report as one page that needs nothing else: no script, no font, no picture from anywhere.

What comes from posts stands in it as text (classifier.evaluate.elements), and the Content Security Policy lets a
browser load and run nothing but the page's own style sheet (W3C, "Content Security Policy Level 3").
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from classifier.evaluate.comparison import Comparison
from classifier.evaluate.elements import Child, document, h
from classifier.evaluate.page_labels import compared_section, label_section, refused_section
from classifier.evaluate.page_style import STYLE
from classifier.evaluate.page_tables import choice_table, compared_tables, now_table
from classifier.evaluate.report import Report
from classifier.evaluate.table import share, told_means, told_probability, told_speed
from pipeline.dead_letters.words import counted

#: Labels that have charts and posts of their own; the tables have all.
MOST_SECTIONS = 100
#: Posts that went most wrong on the whole page.
_MOST_POSTS = 300


def report_page(report: Report) -> str:
    """One trial."""
    shown = report.labels[:MOST_SECTIONS]
    posts = max(1, _MOST_POSTS // max(1, len(shown)))
    return _page(
        "How well the labels work",
        [
            *_about(report),
            _cards(report),
            h("h2", "At the present thresholds"),
            now_table(report),
            h("h2", f"With the threshold for the {report.goal}"),
            choice_table(report),
            h(
                "p",
                "“Unseen” figures are of cross-validation: each post was judged by a threshold chosen without it."
                " They are what to expect of new posts of the same kind.",
                class_="note",
            ),
            *(label_section(label, number, posts) for number, label in enumerate(shown)),
            _left_out(len(report.labels)),
            refused_section(report),
        ],
    )


def comparison_page(comparison: Comparison) -> str:
    """Two trials of the same posts."""
    # numbered as in the tables, which lead here
    shown = [(number, label) for number, label in enumerate(comparison.labels) if label.differs][:MOST_SECTIONS]
    posts = max(1, _MOST_POSTS // max(1, len(shown)))
    overall = comparison.overall
    return _page(
        "B compared with A",
        [
            *_about(comparison.first, "A: "),
            *_about(comparison.second, "B: "),
            h(
                "div",
                _card(overall.word, "B is, all labels of a post taken together"),
                _card(f"{overall.only_first:,}", "posts right in A alone"),
                _card(f"{overall.only_second:,}", "posts right in B alone"),
                _card(told_probability(overall.probability).removeprefix("= "), "p: how often chance alone does that"),
                class_="cards",
            ),
            h("p", told_means(comparison), class_="soft"),
            *compared_tables(comparison),
            *(compared_section(label, comparison, number, posts) for number, label in shown),
            _same(len(comparison.labels) - len(shown)),
        ],
    )


def _page(title: str, content: Sequence[Child]) -> str:
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=_policy()),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="referrer", content="no-referrer"),
        h("title", title),
        h("style", STYLE),
    )
    return document(h("html", head, h("body", h("main", h("h1", title), content)), lang="en"))


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _about(report: Report, side: str = "") -> Iterator[Element]:
    model = "" if report.model == report.endpoint else f" (model {report.model})"
    yield h(
        "p",
        f"{side}{report.posts:,} posts of {report.file}, labels of {report.config} ({report.config_version}),"
        f" endpoint {report.endpoint}{model}, {report.at:%Y-%m-%d %H:%M} UTC",
        class_="soft",
    )
    if side:
        yield h("p", told_speed(report.speed), class_="note")
    if report.left_out:
        yield h("p", f"Left out, for they are examples of the configuration: {report.left_out:,} posts.", class_="note")
    for remark in report.remarks:
        yield h("p", remark, class_="warn")


def _cards(report: Report) -> Element:
    overall, speed = report.overall, report.speed
    without = "-" if speed.without_model is None else f"{100 * speed.without_model:.0f} %"
    return h(
        "div",
        _card(share(overall.f1), f"F1, mean of {counted(overall.labels, 'label')}"),
        _card(share(overall.precision), "precision, mean"),
        _card(share(overall.recall), "recall, mean"),
        _card(share(overall.average_precision), "average precision, mean"),
        _card(f"{overall.alerted_in_error:,} of {overall.posts_about_none:,}", "posts about none that alerted"),
        _card(f"{speed.posts_per_s:,.0f}", "posts a second"),
        _card(f"{sum(speed.calls.values()):,}", "calls of the endpoint"),
        _card(without, "answered without the model"),
        class_="cards",
    )


def _card(figure: str, what: str) -> Element:
    return h("div", h("b", figure), h("span", what), class_="card")


def _left_out(labels: int) -> Element | None:
    if labels <= MOST_SECTIONS:
        return None
    return h("p", f"The other {labels - MOST_SECTIONS:,} labels are in the tables alone.", class_="note")


def _same(labels: int) -> Element | None:
    if not labels:
        return None
    more = counted(labels, "more label")
    return h("p", f"{more} in the tables alone: there is no difference, or too many to show.", class_="note")
