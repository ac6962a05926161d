"""Texts that say the same, and such as only look like it."""

import random
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from classifier.cases import Case, judged_text
from classifier.same_text import key_of
from tests.support.classifier_parts import a_case
from tests.support.examples import a_post, received

STORY = "Strong shaking in Valparaíso, people run out of their houses"

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12)
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
HANDLES = st.from_regex(re.compile(r"@[A-Za-z0-9_]{1,15}", re.ASCII), fullmatch=True)
LINKS = st.from_regex(re.compile(r"https?://t\.co/[A-Za-z0-9]{4,10}", re.ASCII), fullmatch=True)
BLANKS = st.text(" \t\n\u00a0\u2009", min_size=1, max_size=4)


@pytest.mark.parametrize(
    "text",
    [
        f"RT @ana: {STORY}",
        f"RT @ana-b.example.org: {STORY}",
        f"RT @ana.bsky.social: {STORY}",
        f"{STORY} @ana.bsky.social @bob.com",
        f"rt @ana {STORY}",
        f"via @ana: {STORY}",
        f"  RT   @ana:{STORY}",
        STORY.upper(),
        STORY.lower(),
        STORY.replace(" ", "  \n\t"),
        f"{STORY} https://t.co/abc123",
        f"{STORY} HTTP://T.CO/x www.example.com/a?b=c#d",
        f"@newsdesk @ana_b {STORY}",
        f"{STORY} @newsdesk",
        f"\n{STORY}\n",
    ],
)
def test_a_share_says_the_same(text: str) -> None:
    assert key_of(text) == key_of(STORY)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (STORY, f"No {STORY}"),
        (STORY, STORY.replace("Valparaíso", "Valparaiso")),
        (STORY, STORY.replace(",", ";")),
        ("3 people were hurt", "8 people were hurt"),
        (f"RT @ana: {STORY}", f"RT @ana: {STORY}!"),
        (f"He said RT @ana: {STORY}", STORY),
        ("write to desk@example.org for help", "write to news@example.org for help"),
        ("a flood in the town", "aflood in the town"),
        # what is written on without a blank is no part of a handle or link
        ("速報が入りましたので @nhk大地震が発生しました", "速報が入りましたので @nhk株価が上昇しています"),
        ("速報が入りましたので @a.bsky.social大地震", "速報が入りましたので @a.bsky.social株価"),
        ("ニュースをお伝えします https://t.co/abc大地震が発生", "ニュースをお伝えします https://t.co/abd桜が満開"),
        ("RT @nhk大地震発生 詳しい情報はこちらをご覧", "RT @nhk桜満開 詳しい情報はこちらをご覧"),
        ("Reports say tonight @bob.Earthquake", "Reports say tonight @bob.Party"),
        ("reports say tonight @bob.earthquake", "reports say tonight @bob.party"),
        ("reports say tonight @bob.com-earthquake", "reports say tonight @bob.com-party"),
        ("so sad today awww.that hurts", "so sad today awww.this hurts"),
    ],
)
def test_what_differs_in_more_says_something_else(one: str, other: str) -> None:
    assert key_of(one) != key_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://t.co/one", "https://t.co/two"),
        ("@ana https://t.co/one", "@bob https://t.co/two"),
        ("RT @ana: https://t.co/one", "RT @ana: https://t.co/two"),
        ("@ana yes", "@bob yes"),
        ("wow", "WOW"),
        ("", " "),
        ("😱😱", "😱😱 https://t.co/one"),
    ],
)
def test_of_what_says_hardly_anything_nothing_is_left_out(one: str, other: str) -> None:
    assert key_of(one) != key_of(other)
    assert key_of(one) == key_of(one)


@given(TEXTS, HANDLES, LINKS, BLANKS, st.randoms(use_true_random=False))
def test_handles_links_blanks_and_case_make_no_difference(
    text: str, handle: str, link: str, blanks: str, rng: random.Random
) -> None:
    said = f"{text} and more words"
    # a word that is a piece of a handle or link would be left out together with it
    assume("@" not in said and "www." not in said.casefold() and "://" not in said)
    words = said.split()
    for extra in (handle, link):
        words.insert(rng.randrange(len(words) + 1), extra)
    assume(words[0].casefold() not in ("rt", "via"))
    assert key_of(blanks.join(words)) == key_of(f"RT {handle}: {said}") == key_of(said)


@given(TEXTS, TEXTS)
def test_different_words_are_never_the_same(one: str, other: str) -> None:
    plain = [f"these words {text.casefold()}" for text in (one, other)]
    assume(not any("@" in text or "://" in text or "www." in text for text in plain))
    assert (key_of(plain[0]) == key_of(plain[1])) is (plain[0].casefold().split() == plain[1].casefold().split())


@given(st.text(st.characters(), max_size=60))
def test_any_text_has_a_key_of_one_size(text: str) -> None:
    assert len(key_of(text)) == 16


def test_a_quote_is_read_after_the_posts_own_words() -> None:
    assert judged_text(a_post(text="oh no", quoted_text="the dam broke")) == "oh no\nthe dam broke"
    assert judged_text(a_post(text="oh no")) == "oh no"


def test_posts_with_the_same_words_about_different_quotes_say_different_things() -> None:
    one, other, again = (
        a_case("how terrible this is", quoted_text=quoted) for quoted in ("the dam broke", "we lost", "The dam  broke")
    )
    assert one.says != other.says
    assert one.says == again.says
    assert one.text == "how terrible this is\nthe dam broke"


def test_a_case_keeps_post_and_message() -> None:
    post = a_post(text=STORY)
    message = received(post, "m-7")
    case = Case(message, post)
    assert (case.message, case.post, case.text, case.says) == (message, post, STORY, key_of(STORY))
