"""The page: whole in one file, bounded, and nothing that a post says is ever more than text."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.evaluate.comparison import Changes, compare
from classifier.evaluate.elements import document, h
from classifier.evaluate.goal import Goal
from classifier.evaluate.page import comparison_page, report_page
from classifier.evaluate.table import report_lines
from tests.support.hostile_strategies import hostile_text
from tests.support.labelled_trials import Row, config_of, record_of, report_of, row

LABEL = "[{name: flood, threshold: 0.5}]"
HOSTILE = [
    "<script>alert(1)</script>",
    "</p></li><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>body{display:none}",
    "<!-- ",
    "]]>",
    "&lt;b&gt; &amp;amp; &#60;i&#62;",
    "<a href=javascript:alert(1)>click</a>",
    "<iframe src=//example.org></iframe>",
    "<base href=//example.org>",
    '<meta http-equiv="refresh" content="0;url=//example.org">',
    "\u202e<b>\u2066 \ufeff<",
    "{{7*7}} ${7*7} <%= 7*7 %>",
]


class Page(HTMLParser):
    """Tags with their attributes, and all text outside of the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.style = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")


def page_of(*texts: str, remarks: tuple[str, ...] = ()) -> str:
    rows = [row(text, ["flood", text.strip()[:100] or "x"], {"flood": 0.1}, id=text[:50]) for text in texts]
    report, _ = report_of(record_of(config_of(LABEL), rows, worst=50), remarks=remarks)
    return report_page(report)


#: What the page consists of.
KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div", "b", "span", "a", "i"),
    *("table", "thead", "tbody", "tr", "th", "td", "small", "section", "figure", "figcaption", "ul", "li"),
    *("svg", "path", "circle", "text"),
}


def check(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert tags <= KNOWN
    assert not tags & {"script", "img", "iframe", "link", "base", "object", "form"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in ("src", "style", "srcdoc", "action", "xlink:href")
            if name == "href":
                assert tag == "a"
                assert re.fullmatch(r"#label-\d+", value or "")
    assert page.open == []


def test_it_needs_nothing_else() -> None:
    page = page_of("harmless")
    parsed = Page(page)
    check(parsed)
    assert "url(" not in parsed.style
    assert "@import" not in parsed.style
    assert "http" not in page.replace("http-equiv", "")
    metas = [attributes for tag, attributes in parsed.tags if tag == "meta"]
    [policy] = [meta["content"] or "" for meta in metas if meta.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256(parsed.style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert any(meta.get("name") == "viewport" for meta in metas)
    assert "prefers-color-scheme:dark" in parsed.style


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_posts_stay_text(text: str) -> None:
    page = Page(page_of(text, remarks=(text,)))
    check(page)
    shown = "".join(page.texts)
    assert "alert(1)" not in "".join(str(tag) for tag in page.tags)
    assert text.strip("\u202e\u2066\ufeff").replace("\u2066 \ufeff", " ") in shown


@given(st.lists(hostile_text.filter(str.strip), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_whatever_posts_say_the_page_keeps_its_shape(texts: list[str]) -> None:
    check(Page(page_of(*[f"x{text}" for text in texts])))


def test_markup_in_what_the_endpoint_says_of_a_refused_post_is_text() -> None:
    record = record_of(config_of(LABEL), [row("<b>bold</b>", "flood", None), row("a", "flood", {"flood": 0.9})])
    report, _ = report_of(record)
    page = Page(report_page(report))
    check(page)
    assert "<b>bold</b>" in "".join(page.texts)


def large(labels: int) -> list[Row]:
    """Posts whose texts grow most when they are escaped, and are wrong for every label."""
    scores = {f"label {number}": 0.9 for number in range(labels)}
    return [row("&" * 150 + f"{number} is wrong" + '"' * 50, "none", scores, id="&" * 200) for number in range(40)]


@pytest.mark.parametrize("labels", [1, 100, 300])
def test_it_stays_below_a_megabyte(labels: int) -> None:
    config = config_of("[" + ", ".join(f"{{name: label {number}, threshold: 0.1}}" for number in range(labels)) + "]")
    rows = large(labels)
    record = record_of(config, rows, worst=50)
    report, _ = report_of(record)
    assert len(report_page(report).encode()) < 1_000_000
    changes = Changes(record)
    again = record_of(config, [Row(post, dict.fromkeys(scores or {}, 0.0)) for post, scores in rows])
    told = compare((record, again), (report, report_of(again)[0]), Goal(), changes)
    assert len(comparison_page(told).encode()) < 1_000_000


def test_every_label_has_its_charts_and_they_are_drawn() -> None:
    rows = [
        row(f"a text that says {number}", "flood" if number % 3 else "none", {"flood": number / 60})
        for number in range(60)
    ]
    report, _ = report_of(record_of(config_of(LABEL), rows))
    page = Page(report_page(report))
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert [chart["aria-label"] for chart in charts] == ["precision over recall for flood", "scores for flood"]
    drawn = {attributes.get("class"): attributes.get("d") for tag, attributes in page.tags if tag == "path"}
    for kind in ("curve a", "bars about", "bars others", "line now", "line chosen", "point chosen"):
        assert re.fullmatch(r"[MLHVZhv0-9. -]+", drawn[kind] or ""), kind


def test_a_comparison_shows_both_and_links_only_what_is_there() -> None:
    config = config_of("[{name: flood, threshold: 0.5}, {name: fire, threshold: 0.5}]")
    first = record_of(config, [row("<i>a</i>", "flood", {"flood": 0.1, "fire": 0})])
    second = record_of(config, [row("<i>a</i>", "flood", {"flood": 0.9, "fire": 0})])
    changes = Changes(first)
    told = compare((first, second), (report_of(first)[0], report_of(second)[0]), Goal(), changes)
    page = Page(comparison_page(told))
    check(page)
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    sections = {f"#{attributes['id']}" for tag, attributes in page.tags if tag == "section"}
    assert links == sections == {"#label-0"}


def test_a_trial_in_which_every_post_was_refused_has_a_page_and_a_table_all_the_same() -> None:
    report, _ = report_of(record_of(config_of(LABEL), [row("a", "flood", None)]))
    check(Page(report_page(report)))
    assert "refused by the model: 1" in list(report_lines(report))
    assert report.overall.f1 is None


def test_elements_escape_what_stands_in_them() -> None:
    page = document(h("p", "a<b", h("i", "&"), "c", None, ["d", h("b", ">")], title='"<'))
    assert page == '<!doctype html>\n<p title="&quot;<">a&lt;b<i>&amp;</i>cd<b>&gt;</b></p>\n'
