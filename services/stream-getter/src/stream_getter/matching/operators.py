"""The terms of rules, by X's document "Operators" of the filtered stream: what each says yes to.

| term | a post that |
|---|---|
| ``fire``, ``"power outage"``, an emoji | holds the word or the phrase in its text |
| ``#fire``, ``@ana``, ``$ABC`` | holds the hashtag, the mention, the cashtag in its text |
| ``from:ana`` | was written by this user, named by username or id |
| ``lang:en`` | is in this language; ``lang:pt`` takes pt-BR too |
| ``url:example.com`` | has a link that holds this as a whole word |
| ``is:retweet``, ``is:reply``, ``is:quote`` | repeats another post, answers one, or quotes one |
| ``has:links``, ``has:hashtags``, ``has:mentions`` | has at least one |
"""

import re
from collections.abc import Callable, Mapping

from stream_getter.matching.candidate import Candidate
from stream_getter.matching.terms import has_marked_word, holds, normal

#: About as BCP 47 has it: a few letters for the language, and what tells more of it behind hyphens.
_LANGUAGE = re.compile(r"[a-z]{1,3}(-[a-z0-9]{1,8})*")

Test = Callable[[Candidate], bool]


class Refusal(ValueError):
    """A term that cannot be; the message is what was expected."""


def term(value: str) -> Test:
    """A word or phrase. Raises Refusal."""
    wanted = normal(value)
    if not wanted or wanted in "#@$":
        raise Refusal("a word")
    return lambda candidate: holds(candidate.text, wanted)


def operator(name: str, value: str) -> Test:
    """An operator with its value. Raises Refusal."""
    make = _OPERATORS.get(name)
    if make is None:
        raise Refusal(f"one of the operators {', '.join(f'{known}:' for known in _OPERATORS)} (or quotation marks)")
    return make(value)


def _from(value: str) -> Test:
    wanted = normal(value.removeprefix("@"))
    if not wanted:
        raise Refusal("a user after from:")
    return lambda candidate: wanted in (candidate.post.author.username.casefold(), candidate.post.author.id.casefold())


def _lang(value: str) -> Test:
    wanted = normal(value)
    if not _LANGUAGE.fullmatch(wanted):
        raise Refusal("a language's code such as en or pt-BR")
    region = f"{wanted}-"

    def test(candidate: Candidate) -> bool:
        lang = candidate.post.lang.casefold()
        return lang == wanted or lang.startswith(region)

    return test


def _url(value: str) -> Test:
    wanted = normal(value)
    if not wanted:
        raise Refusal("a part of an address after url:")
    return lambda candidate: any(holds(link, wanted) for link in candidate.links)


def _chosen(name: str, tests: Mapping[str, Test]) -> Callable[[str], Test]:
    def make(value: str) -> Test:
        test = tests.get(value.casefold())
        if test is None:
            raise Refusal(f"one of {', '.join(f'{name}:{known}' for known in tests)}")
        return test

    return make


_OPERATORS: dict[str, Callable[[str], Test]] = {
    "from": _from,
    "lang": _lang,
    "url": _url,
    "is": _chosen(
        "is",
        {
            "retweet": lambda candidate: bool(candidate.post.repost_of),
            "reply": lambda candidate: candidate.reply,
            "quote": lambda candidate: candidate.quote,
        },
    ),
    "has": _chosen(
        "has",
        {
            "links": lambda candidate: bool(candidate.post.links),
            "hashtags": lambda candidate: has_marked_word(candidate.text, "#"),
            "mentions": lambda candidate: has_marked_word(candidate.text, "@"),
        },
    ),
}
