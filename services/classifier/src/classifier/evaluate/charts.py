"""The two charts of a label, as SVG: precision over recall, and its scores."""

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from classifier.evaluate.elements import Child, h
from classifier.evaluate.report import CurvePoint, Figures, Histogram

_WIDTH, _HEIGHT = 340, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 12, 12, 34
_PLOT_WIDTH = _WIDTH - _LEFT - _RIGHT
_PLOT_HEIGHT = _HEIGHT - _TOP - _BOTTOM
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def curve_chart(
    name: str,
    curves: Sequence[tuple[str, Sequence[CurvePoint]]],
    points: Sequence[tuple[str, Figures]],
) -> Element:
    """Precision over recall. ``curves`` and ``points`` have a class of the style sheet each, which gives the colour."""
    return _svg(
        f"precision over recall for {name}",
        _grid(horizontal=True),
        (h("path", class_=f"curve {kind}", d=_steps(curve)) for kind, curve in curves if curve),
        (_point(kind, figures) for kind, figures in points),
        _caption("recall", "precision"),
    )


def score_chart(name: str, histogram: Histogram, threshold: float, chosen: float | None) -> Element:
    """Scores of posts about the label, upwards, and of the others, downwards: each in shares of its own kind."""
    middle = _TOP + _PLOT_HEIGHT / 2
    lines = [("now", threshold), ("chosen", chosen)]
    return _svg(
        f"scores for {name}",
        _grid(horizontal=False),
        h("path", class_="bars about", d=_bars(histogram.about, upwards=True)),
        h("path", class_="bars others", d=_bars(histogram.others, upwards=False)),
        h("path", class_="axis", d=f"M{_LEFT} {middle:g}H{_LEFT + _PLOT_WIDTH}"),
        (
            h("path", class_=f"line {kind}", d=f"M{_x(at):.1f} {_TOP}V{_TOP + _PLOT_HEIGHT}")
            for kind, at in lines
            if at is not None
        ),
        h("text", "about it", x=_LEFT + 4, y=_TOP + 11, class_="side"),
        h("text", "others", x=_LEFT + 4, y=_TOP + _PLOT_HEIGHT - 5, class_="side"),
        _caption("score", "share of posts"),
    )


def _svg(title: str, *children: Child | Iterator[Child]) -> Element:
    return h("svg", *children, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=title)


def _grid(*, horizontal: bool) -> Iterator[Element]:
    for tick in _TICKS:
        x = _x(tick)
        yield h("path", class_="grid", d=f"M{x:g} {_TOP}V{_TOP + _PLOT_HEIGHT}")
        yield h("text", f"{tick:g}", x=f"{x:g}", y=_TOP + _PLOT_HEIGHT + 14, text_anchor="middle")
        if horizontal:
            y = _y(tick)
            yield h("path", class_="grid", d=f"M{_LEFT} {y:g}H{_LEFT + _PLOT_WIDTH}")
            yield h("text", f"{tick:g}", x=_LEFT - 6, y=f"{y + 3.5:g}", text_anchor="end")


def _caption(below: str, beside: str) -> Iterator[Element]:
    yield h("text", below, x=_LEFT + _PLOT_WIDTH / 2, y=_HEIGHT - 4, text_anchor="middle", class_="caption")
    y = _TOP + _PLOT_HEIGHT / 2
    turned = f"rotate(-90 10 {y:g})"
    yield h("text", beside, x=10, y=f"{y:g}", text_anchor="middle", class_="caption", transform=turned)


def _point(kind: str, figures: Figures) -> Element | None:
    if figures.precision is None or figures.recall is None:
        return None
    x, y = _x(figures.recall), _y(figures.precision)
    if "chosen" in kind:
        diamond = f"M{x:.1f} {y - 6:.1f}L{x + 6:.1f} {y:.1f}L{x:.1f} {y + 6:.1f}L{x - 6:.1f} {y:.1f}Z"
        return h("path", class_=f"point {kind}", d=diamond)
    return h("circle", class_=f"point {kind}", cx=f"{x:.1f}", cy=f"{y:.1f}", r=4.5)


def _steps(curve: Sequence[CurvePoint]) -> str:
    """As average precision sums it up: from one recall to the next the precision is that of the next."""
    steps = (f"V{_y(point.precision):.1f}H{_x(point.recall):.1f}" for point in curve)
    return f"M{_x(0):g} {_y(curve[0].precision):.1f}{''.join(steps)}"


def _bars(counts: Sequence[int], *, upwards: bool) -> str:
    total, most = sum(counts), max(counts)
    if not total:
        return ""
    middle, width = _TOP + _PLOT_HEIGHT / 2, _PLOT_WIDTH / len(counts)
    # the tallest bar leaves room for the words at the edge
    unit = (_PLOT_HEIGHT / 2 - 16) / most
    sign = -1 if upwards else 1
    return "".join(
        f"M{_LEFT + index * width + 0.5:.1f} {middle:g}v{sign * max(1.0, count * unit):.1f}h{width - 1:.1f}V{middle:g}Z"
        for index, count in enumerate(counts)
        if count
    )


def _x(value: float) -> float:
    return _LEFT + value * _PLOT_WIDTH


def _y(value: float) -> float:
    return _TOP + (1 - value) * _PLOT_HEIGHT
