"""A report for people at a terminal."""

from collections.abc import Iterator, Sequence

from classifier.evaluate.comparison import Comparison, LabelComparison, Verdict
from classifier.evaluate.exact import exact
from classifier.evaluate.report import Confusion, Figures, LabelReport, Report, Speed
from pipeline.dead_letters.words import counted

_HEADINGS = ("label", "posts", "threshold", "precision", "95 %", "recall", "F1", "AP")
_CHOICE_HEADINGS = ("label", "threshold", "precision", "recall", "F1", "on unseen posts: precision", "recall", "F1")


def report_lines(report: Report) -> Iterator[str]:
    """All of it."""
    yield from _head(report)
    yield ""
    yield "at the present thresholds"
    yield from columns(_HEADINGS, [_now_row(label) for label in report.labels])
    overall = report.overall
    if overall.labels:
        yield (
            f"mean of {counted(overall.labels, 'label')}: precision {share(overall.precision)},"
            f" recall {share(overall.recall)}, F1 {share(overall.f1)}, AP {share(overall.average_precision)}"
        )
    if overall.posts_about_none:
        yield f"posts about none: {overall.posts_about_none:,}, of which alerted: {overall.alerted_in_error:,}"
    yield ""
    yield f"with the threshold for the {report.goal}"
    chosen = [label for label in report.labels if label.choice]
    if chosen:
        yield from columns(_CHOICE_HEADINGS, [_choice_row(label) for label in chosen])
    for label in report.labels:
        if not label.choice:
            yield f"  {label.name}: {label.no_choice}"
        elif label.choice.doubt:
            yield f"  {label.name}: not to be trusted: {label.choice.doubt}"
    yield from _confusion_lines(report.labels)
    yield from _worst_lines(report.labels)
    yield from _refused_lines(report)


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """All of it; of the two reports the heads alone."""
    for side, report in (("A", comparison.first), ("B", comparison.second)):
        lines = list(_head(report))
        yield f"{side}: {lines[0]}"
        yield from lines[1:]
    for names, side in ((comparison.only_in_first, "A"), (comparison.only_in_second, "B")):
        if names:
            yield f"only in {side}, and not compared: {', '.join(names)}"
    yield ""
    yield "at the present thresholds"
    headings = ("label", "posts", "precision A", "B", "recall A", "B", "F1 A", "B", "right in A, B alone", "B is")
    yield from columns(headings, [_compared_row(label) for label in comparison.labels])
    yield ""
    yield f"AP, and F1 on unseen posts with the threshold for the {comparison.first.goal}"
    best_headings = ("label", "AP A", "B", "F1 A", "B", "right in A, B alone", "B is")
    yield from columns(best_headings, [_at_best_row(label) for label in comparison.labels])
    overall = comparison.overall
    yield ""
    yield told_means(comparison)
    yield (
        f"of {comparison.posts:,} posts all labels are right in A alone: {overall.only_first:,},"
        f" in B alone: {overall.only_second:,}; B is: {overall.word} (p {told_probability(overall.probability)})"
    )
    for label in comparison.labels:
        if label.changed_posts:
            yield ""
            yield f"{label.name}: {label.changed:,} changed sides"
            for post in label.changed_posts:
                what = "passes now" if post.passes else "passes no more"
                yield f"  line {post.line}, {what}, {'rightly' if post.is_right else 'wrongly'}: {post.text}"


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The first column to the left, the others to the right, two blanks apart."""
    table = [headings, *rows]
    widths = [max(len(row[index]) for row in table) for index in range(len(headings))]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  " + "  ".join(cells).rstrip()


def share(value: float | None) -> str:
    """In two places, or a dash for none."""
    return "-" if value is None else f"{value:.2f}"


def told_interval(figures: Figures) -> str:
    """Of the precision, such as ``0.55-0.95``."""
    low_high = figures.precision_interval
    return "" if low_high is None else f"{low_high[0]:.2f}-{low_high[1]:.2f}"


def told_probability(probability: float) -> str:
    """In three places, such as ``= 0.035``."""
    return "< 0.001" if probability < 0.001 else f"= {probability:.3f}"


def told_means(comparison: Comparison) -> str:
    """In one line, over the labels that both have and any post is about."""
    labels = [label for label in comparison.labels if label.first.support]
    pairs = {
        "F1": [(label.first.f1, label.second.f1) for label in labels],
        "AP": [label.average_precision for label in labels],
        "F1 on unseen posts": [label.f1_at_best for label in labels],
    }
    told = (f"{what} A {_mean(each, 0)}, B {_mean(each, 1)}" for what, each in pairs.items())
    return f"means of {counted(len(labels), 'label')}: {'; '.join(told)}"


def _mean(pairs: Sequence[tuple[float | None, float | None]], side: int) -> str:
    values = [pair[side] for pair in pairs]
    known = [value for value in values if value is not None]
    # of some labels alone it would not compare with the others
    return share(sum(known) / len(known) if known and len(known) == len(values) else None)


def told_speed(speed: Speed) -> str:
    """In one line."""
    calls = sum(speed.calls.values())
    failed = calls - speed.calls.get("ok", 0)
    trouble = f" ({failed:,} failed)" if failed else ""
    without = "-" if speed.without_model is None else f"{100 * speed.without_model:.0f} %"
    return (
        f"{speed.posts_per_s:,.0f} posts/s, {calls:,} calls of the endpoint{trouble},"
        f" {without} answered without the model"
    )


def told_confusions(confusions: Sequence[Confusion]) -> str:
    """Such as ``flood (3), none (2)``."""
    return ", ".join(f"{each.label} ({each.posts:,})" for each in confusions)


def _head(report: Report) -> Iterator[str]:
    model = "" if report.model == report.endpoint else f" (model {report.model})"
    yield f"{report.posts:,} posts of {report.file}, labels of {report.config}, endpoint {report.endpoint}{model}"
    yield told_speed(report.speed)
    if report.left_out:
        yield f"left out, for they are examples of the configuration: {report.left_out:,}"
    if report.refused:
        yield f"refused by the model, and in no figure: {report.refused:,}"


def _now_row(label: LabelReport) -> Sequence[str]:
    now = label.now
    return (
        label.name,
        f"{label.support:,}",
        exact(label.threshold),
        share(now.precision),
        told_interval(now),
        share(now.recall),
        share(now.f1),
        share(label.average_precision),
    )


def _choice_row(label: LabelReport) -> Sequence[str]:
    choice = label.choice
    if choice is None:
        raise ValueError(f"no threshold was chosen for {label.name}")
    seen, unseen = choice.figures, choice.cross_validated
    return (
        label.name,
        exact(choice.threshold),
        *(share(value) for value in (seen.precision, seen.recall, seen.f1)),
        *(share(value) for value in (unseen.precision, unseen.recall, unseen.f1)),
    )


def _compared_row(label: LabelComparison) -> Sequence[str]:
    first, second = label.first, label.second
    figures = (first.precision, second.precision, first.recall, second.recall, first.f1, second.f1)
    return (label.name, f"{first.support:,}", *map(share, figures), *_told_verdict(label.now, ""))


def _at_best_row(label: LabelComparison) -> Sequence[str]:
    figures = (*label.average_precision, *label.f1_at_best)
    return (label.name, *map(share, figures), *_told_verdict(label.at_best, label.no_choice))


def _told_verdict(verdict: Verdict | None, why_none: str) -> tuple[str, str]:
    return (f"{verdict.only_first}, {verdict.only_second}", verdict.word) if verdict else ("-", why_none)


def _confusion_lines(labels: Sequence[LabelReport]) -> Iterator[str]:
    confused = [label for label in labels if label.missed or label.false_alarms or label.vetoed or label.not_asked]
    if confused:
        yield ""
        yield "confusions at the present thresholds"
    for label in confused:
        if label.missed:
            missed = label.support - label.now.hits
            yield f"  {label.name}: {missed:,} missed; what passed instead: {told_confusions(label.missed)}"
        if label.false_alarms:
            wrong = label.now.passed - label.now.hits
            yield f"  {label.name}: {wrong:,} in error; they are about: {told_confusions(label.false_alarms)}"
        if label.vetoed or label.not_asked:
            yield f"  {label.name}: cannot pass: {label.vetoed:,} vetoed by unless, {label.not_asked:,} not asked"


def _worst_lines(labels: Sequence[LabelReport]) -> Iterator[str]:
    for label in labels:
        if label.worst:
            yield ""
            yield f"{label.name}, most wrong (threshold {exact(label.threshold)})"
        for post in label.worst:
            why = "" if post.why in ("", "below threshold") else f", {post.why}"
            yield f"  {share(post.score)} {post.kind}{why}, line {post.line}: {post.text}"


def _refused_lines(report: Report) -> Iterator[str]:
    if report.refused:
        yield ""
        yield f"refused by the model: {report.refused:,}"
    for post in report.refused_posts:
        yield f"  line {post.line}: {post.reason}: {post.text}"
