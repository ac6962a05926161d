"""What the page says of each label: its charts, its confusions, and posts."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from classifier.evaluate.charts import curve_chart, score_chart
from classifier.evaluate.comparison import ChangedPost, Comparison, LabelComparison
from classifier.evaluate.elements import h
from classifier.evaluate.exact import exact
from classifier.evaluate.report import Figures, LabelReport, Report
from classifier.evaluate.table import share, told_confusions
from classifier.evaluate.wrong_posts import WrongPost

#: Labels of one post that are named.
_MOST_NAMES = 6


def label_section(label: LabelReport, number: int, posts: int) -> Element:
    """One label of one trial, with ``posts`` posts at most."""
    choice = label.choice
    points = [("chosen", choice.figures)] if choice else []
    keys = [_key("a", f"now {exact(label.threshold)}: {_told(label.now)}")]
    if choice:
        keys.append(_key("chosen", f"chosen {exact(choice.threshold)}: {_told(choice.figures)}"))
    scores = score_chart(label.name, label.histogram, label.threshold, choice.threshold if choice else None)
    return h(
        "section",
        h("h2", label.name),
        h("p", f"{label.support:,} posts, average precision {share(label.average_precision)}", class_="soft"),
        h(
            "div",
            h(
                "figure",
                curve_chart(label.name, [("a", label.curve)], [*points, ("a", label.now)]),
                h("figcaption", keys),
            ),
            h("figure", scores, h("figcaption", _lines(label))),
            class_="charts",
        ),
        h("p", f"Not to be trusted: {choice.doubt}.", class_="warn") if choice and choice.doubt else None,
        _confusions(label),
        _worst(label.worst[:posts]),
        id=f"label-{number}",
    )


def compared_section(label: LabelComparison, comparison: Comparison, number: int, posts: int) -> Element:
    """One label of two trials."""
    first = next(each for each in comparison.first.labels if each.name == label.name)
    second = next(each for each in comparison.second.labels if each.name == label.name)
    curves = [("b", second.curve), ("a", first.curve)]
    keys = [
        _key("a", f"A now {exact(first.threshold)}: {_told(label.first)}"),
        _key("b", f"B now {exact(second.threshold)}: {_told(label.second)}"),
    ]
    chart = curve_chart(label.name, curves, [("a", label.first), ("b", label.second)])
    sides = ((first, "A"), (second, "B"))
    return h(
        "section",
        h("h2", label.name),
        h("p", f"{label.changed:,} posts changed sides; B is: {label.now.word}", class_="soft"),
        h(
            "div",
            h("figure", chart, h("figcaption", keys)),
            (
                h(
                    "figure",
                    score_chart(side.name, side.histogram, side.threshold, None),
                    h("figcaption", f"scores in {name}"),
                )
                for side, name in sides
            ),
            class_="charts",
        ),
        h("ul", map(_changed, label.changed_posts[:posts])) if label.changed_posts else None,
        id=f"label-{number}",
    )


def refused_section(report: Report) -> Element | None:
    """Posts that the model refused."""
    if not report.refused:
        return None
    return h(
        "section",
        h("h2", "Refused by the model"),
        h("p", f"{report.refused:,} posts, in no figure", class_="soft"),
        h("ul", (h("li", _where(f"line {post.line}", post.reason), _text(post.text)) for post in report.refused_posts)),
    )


def _lines(label: LabelReport) -> str:
    kept = f"solid line: threshold now{', dashed: chosen' if label.choice else ''}"
    cannot = [(label.vetoed, "vetoed by “unless”"), (label.not_asked, "not asked for their rules")]
    told = [f"{count:,} {what}" for count, what in cannot if count]
    return f"{kept}; not shown: {', '.join(told)}" if told else kept


def _confusions(label: LabelReport) -> Iterator[Element]:
    if label.missed:
        missed = f"Missed {label.support - label.now.hits:,}; what passed instead: {told_confusions(label.missed)}"
        yield h("p", missed, class_="note")
    if label.false_alarms:
        wrong = label.now.passed - label.now.hits
        yield h("p", f"Passed {wrong:,} in error; they are about: {told_confusions(label.false_alarms)}", class_="note")


def _worst(posts: Sequence[WrongPost]) -> Iterator[Element]:
    if not posts:
        return
    yield h("h3", "Most wrong")
    yield h("ul", map(_wrong, posts))


def _wrong(post: WrongPost) -> Element:
    why = "" if post.why in ("", "below threshold") else f", {post.why}"
    about = f"about {_few(post.about)}; passed {_few(post.passed)}"
    where = _where(f"{post.kind}{why}", f"{share(post.score)}, line {post.line}, {about}")
    return h("li", where, _text(post.text))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or "none") + more


def _changed(post: ChangedPost) -> Element:
    what = "passes in B alone" if post.passes else "passes in A alone"
    word = h("span", "B is right" if post.is_right else "A is right", class_="good" if post.is_right else "bad")
    return h("li", h("p", h("span", what, class_="tag"), word, f", line {post.line}", class_="note"), _text(post.text))


def _where(tag: str, rest: str) -> Element:
    return h("p", h("span", tag, class_="tag"), rest, class_="note")


def _text(text: str) -> Element:
    return h("p", text, dir="auto")


def _key(kind: str, text: str) -> Element:
    return h("span", h("i", class_=kind), text, class_="key")


def _told(figures: Figures) -> str:
    return f"precision {share(figures.precision)}, recall {share(figures.recall)}"
