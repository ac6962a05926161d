"""The words of a notification."""

import pytest

from notifier.channels.message import full_text, headline
from pipeline.contracts import Author, DeliveryKind, LabelScore
from tests.support.examples import a_delivery, a_post


def labels(*names: str) -> list[LabelScore]:
    return [LabelScore(name=name, score=0.9123) for name in names]


def test_a_headline_tells_labels_author_text_and_link() -> None:
    line = headline(a_delivery(labels=labels("earthquake", "flood")))
    _time, *parts = line.split("  ")
    assert parts == [
        "earthquake 0.91, flood 0.91",
        "@ana",
        "Strong shaking in Valparaíso",
        "https://x.com/ana/status/1",
    ]


def test_a_headline_begins_with_the_local_time_of_the_last_post() -> None:
    delivery = a_delivery()
    assert headline(delivery).startswith(f"{delivery.last_seen.astimezone():%H:%M:%S}  ")


def test_a_post_without_a_known_author_names_its_source() -> None:
    assert "  x  Strong" in headline(a_delivery(post=a_post(author=Author())))


def test_a_notice_is_its_words() -> None:
    notice = a_delivery(kind=DeliveryKind.NOTICE, post=None, labels=[], text="warning from classifier:\nno posts")
    assert headline(notice).endswith("  NOTICE  warning from classifier: no posts")
    assert full_text(notice, 100) == "warning from classifier: no posts"


def test_a_hostile_post_stays_on_its_line() -> None:
    hostile = a_post(text="a\nb\x1b[31m\u202ec", author=Author(username="u\r\n\x1b]0;t\x07", name="n\nm"), url="h\nt")
    line = headline(a_delivery(post=hostile))
    assert "\n" not in line
    assert line.endswith("  @u  a bc  h t")
    words = full_text(a_delivery(post=hostile, labels=labels("quake")), 1000)
    assert words.split("\n")[:2] == ["a bc", ""]
    assert "n m (@u )" in words.split("\n")
    assert "\x1b" not in words


def test_the_full_text_tells_everything_that_is_known() -> None:
    words = full_text(a_delivery(labels=labels("earthquake"), links=["https://example.com/a"]), 1000)
    assert words.split("\n") == [
        "Strong shaking in Valparaíso",
        "",
        "Ana (@ana), 120 followers",
        "2026-11-20 08:15:00 UTC",
        "https://x.com/ana/status/1",
        "https://example.com/a",
        "",
        "earthquake 0.91",
    ]


@pytest.mark.parametrize("limit", [4000, 5000])
def test_the_full_text_keeps_to_its_limit_whatever_is_in_it(limit: int) -> None:
    author = Author(username="n" * 5_000, name="n" * 5_000)
    delivery = a_delivery(
        post=a_post(text="t" * 100_000, url="https://x.com/" + "u" * 5_000, author=author),
        labels=labels(*(f"label {number}" for number in range(500))),
        links=["https://e.example/" + "l" * 5_000] * 50,
    )
    assert len(full_text(delivery, limit)) == limit


def test_a_long_text_is_cut_before_what_is_said_about_it() -> None:
    words = full_text(a_delivery(post=a_post(text="t" * 10_000)), 500)
    assert len(words) == 500
    assert words.endswith("\nearthquake 0.91")
