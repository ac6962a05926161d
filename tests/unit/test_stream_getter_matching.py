"""Rules of X's language on posts: what matches, and what is refused with its place."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts_config import Rule
from pipeline.contracts import Author, MatchedRule
from pipeline.errors import UserMistake
from stream_getter.matching.candidate import Candidate
from stream_getter.matching.grammar import DEPTH_LIMIT, RuleError, parse_rule
from stream_getter.matching.rules import RuleSet
from stream_getter.matching.terms import holds, normal
from tests.support.examples import a_post


def matches(rule: str, text: str, *, reply: bool = False, quote: bool = False, **changes: Any) -> bool:
    return parse_rule(rule)(Candidate(a_post(text=text, **changes), reply=reply, quote=quote))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("fire", "Fire!"),
        ("FIRE", "a fire, near"),
        ("fire", "#fire"),
        ("fire near", "near the fire"),
        ("fire OR flood", "a flood"),
        ("fire near OR flood", "a flood"),
        ("fire (near OR flood)", "flood and fire"),
        ("fire -sale", "fire near"),
        ("fire -(sale OR drill)", "fire near"),
        ("-(sale drill) fire", "fire sale"),
        ('"power outage"', "a Power\n outage here"),
        ('"say \\"hello\\""', 'they say "hello"'),
        ('fire"power outage"', "fire and power outage"),
        ("(fire)(near)", "fire near"),
        ('"and"', "this and that"),
        ('"OR"', "this or that"),
        ("#Fire", "see #fire."),
        ("#fire", "すごい火#fire"),
        ("@ana.example", "by @Ana.Example!"),
        ("@ana", "ask @ana."),
        ("$TSLA", "buy $tsla"),
        ("İstanbul", "İSTANBUL'da"),
        ("straße", "STRASSE"),
        ("fire", "ｆｉｒｅ"),  # noqa: RUF001
        ("fire", "𝐟𝐢𝐫𝐞 sale"),  # noqa: RUF001
        ("café", "cafe\u0301 ole"),
        ("地震", "大地震だ"),
        ("NHK", "今日NHKで"),
        ("지진", "지진이 났다"),
        ("🔥", "hot🔥🔥stuff"),
        ("बाढ़", "बाढ़ आई"),
        ("C++", "C++ code"),
    ],
)
def test_a_rule_matches(rule: str, text: str) -> None:
    assert matches(rule, text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("fire", "firefighter, campfire, fire_sale"),
        ("fire near", "fire"),
        ("fire -sale", "a fire sale"),
        ("fire -(sale OR drill)", "fire drill"),
        ("-fire", "fire"),
        ('"power outage"', "outage of power"),
        ("#fire", "#fires a#fire"),
        ("#fire", "fire"),
        ("@ana", "@ana.example @ana-b anna"),
        ("cafe", "café"),
        ("बा", "बाढ़"),
    ],
)
def test_a_rule_does_not_match(rule: str, text: str) -> None:
    assert not matches(rule, text)


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        ("lang:en", {"lang": "en"}, True),
        ("lang:pt", {"lang": "pt-BR"}, True),
        ("lang:pt-br", {"lang": "pt-BR"}, True),
        ("lang:e", {"lang": "en"}, False),
        ("lang:en", {}, False),
        ("from:Ana", {"author": Author(username="ana")}, True),
        ("from:@ana", {"author": Author(username="ana")}, True),
        ("from:did:plc:abc", {"author": Author(id="did:plc:abc")}, True),
        ("-from:ana", {"author": Author(username="ana")}, False),
        ("url:example.com", {"links": ["https://www.Example.com/a"]}, True),
        ('url:"example.com/a b"', {"links": ["https://example.com/"]}, False),
        ("url:ample.com", {"links": ["https://example.com/"]}, False),
        ("is:retweet", {"repost_of": "x:1"}, True),
        ("-is:retweet", {}, True),
        ("is:reply", {"reply": True}, True),
        ("is:quote", {"quote": True}, True),
        ("is:quote OR is:reply", {}, False),
        ("has:links", {"links": ["https://example.com"]}, True),
        ("has:links", {}, False),
    ],
)
def test_an_operator_looks_at_its_part(rule: str, changes: dict[str, Any], expected: bool) -> None:
    assert matches(rule, "a text", **changes) is expected


@pytest.mark.parametrize(
    ("text", "expected"), [("a #tag", True), ("# 1", False), ("a#b", False), ("#", False), ("ends with #", False)]
)
def test_hashtags_are_seen(text: str, expected: bool) -> None:
    assert matches("has:hashtags", text) is expected


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("", "expected a word, a phrase, an operator or a parenthesis, got the end at character 1"),
        ("fire OR", "expected a word, a phrase, an operator or a parenthesis, got the end at character 8"),
        ("OR fire", "expected a word, a phrase, an operator or a parenthesis, got 'OR fire' at character 1"),
        ("fire (near", "expected a closing parenthesis, got the end at character 11"),
        ("fire) near", "expected the end, or an opening parenthesis before, got ') near' at character 5"),
        ("fire ()", "expected a word, a phrase, an operator or a parenthesis, got ')' at character 7"),
        ('"power', "expected a closing quotation mark, got the end at character 7"),
        ('"a b"~3', "expected a blank after the quotation mark, got '~3' at character 6"),
        ("“power outage”", "expected straight quotation marks (\"), got '“power outage”' at character 1"),
        ("fire - sale", "expected what must not be right after the minus, got '- sale' at character 6"),
        ("fire --sale", "expected what must not be right after the minus, got '--sale' at character 6"),
        (
            "fire lang:english",
            "expected a language's code such as en or pt-BR, got 'lang:english' at character 6",
        ),
        ("fire lang: en", "expected a value right after lang:, got ' en' at character 11"),
        (
            "fire sample:10",
            "expected one of the operators from:, lang:, url:, is:, has: (or quotation marks), "
            "got 'sample:10' at character 6",
        ),
        ("is:verified", "expected one of is:retweet, is:reply, is:quote, got 'is:verified' at character 1"),
        ('""', "expected a word, got '\"\"' at character 1"),
        ("#", "expected a word, got '#' at character 1"),
        (
            "(" * (DEPTH_LIMIT + 1) + "a",
            f"expected at most {DEPTH_LIMIT} parentheses within each other, got '(a' at character {DEPTH_LIMIT + 1}",
        ),
        (
            "fire and flood",
            'expected a blank for "and", OR for "or", and the word itself in quotes, got \'and flood\' at character 6',
        ),
        (
            "fire or flood",
            'expected a blank for "and", OR for "or", and the word itself in quotes, got \'or flood\' at character 6',
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(rule: str, error: str) -> None:
    with pytest.raises(RuleError) as raised:
        parse_rule(rule)
    assert str(raised.value) == error


def test_a_mistake_in_a_set_names_the_rule() -> None:
    with pytest.raises(UserMistake, match=r"^alerts.yaml: rules\[1\]\.value: expected .* at character 6$"):
        RuleSet([Rule(value="fire"), Rule(value="fire place:rome")], "alerts.yaml: rules")


def test_what_a_source_cannot_know_is_a_mistake() -> None:
    def unknowable(name: str, value: str) -> str | None:
        return "a known user" if (name, value) == ("from", "ana") else None

    with pytest.raises(UserMistake, match=r"^rules\[0\].value: expected a known user, got 'from:ana' at character 7$"):
        RuleSet([Rule(value="fire -from:ana")], "rules", unknowable)
    assert RuleSet([Rule(value="from:ben")], "rules", unknowable)


def test_all_rules_that_match_are_named() -> None:
    rules = RuleSet([Rule(value="fire", tag="fires"), Rule(value="flood"), Rule(value="near")], "rules")
    assert rules.matching(Candidate(a_post(text="a fire near us"))) == [
        MatchedRule(id="fires", tag="fires"),
        MatchedRule(id="2"),
    ]
    assert rules.matching(Candidate(a_post(text="nothing"))) == []


@given(st.text(max_size=80))
def test_any_text_is_a_rule_or_a_mistake(rule: str) -> None:
    with suppress(RuleError):
        assert parse_rule(rule)(Candidate(a_post(text=rule))) in (True, False)


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_word_between_blanks_is_found(before: str, after: str) -> None:
    assert holds(normal(f"{before} fire {after}"), "fire")


@given(st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_text_matches_itself_as_a_phrase(text: str) -> None:
    if normal(text) and normal(text) not in "#@$":
        assert matches(f'"{text}"', text)
