"""Which of Bluesky's posts are wanted: its stream has no rules, so ours are applied on our side."""

from collections.abc import Callable

import msgspec

from pipeline.contracts import Post
from pipeline.errors import UserMistake
from stream_getter.matching.candidate import Candidate
from stream_getter.matching.operators import Refusal, Test, operator, term
from stream_getter.matching.rules import RuleSet


def unknowable(name: str, value: str) -> str | None:
    """What a rule for Bluesky must have instead of this operator (stream_getter.matching.grammar)."""
    if name == "from" and not value.startswith("did:"):
        return "a DID such as from:did:plc:ewvi7nxzyoun6zhxrhs64oiz, for the stream of Bluesky has no names of users"
    return None


class Filter:
    """A post is wanted if it matches one of ``rules``, holds one of ``words``, and is in one of ``langs``.

    Each of them that is empty lets all pass. Words (or phrases) and languages are separated by commas.
    Raises UserMistake.
    """

    def __init__(self, rules: RuleSet, words: str, langs: str) -> None:
        self._rules = rules
        self._words = _tests("BLUESKY_WORDS", words, term)
        self._langs = _tests("BLUESKY_LANGS", langs, lambda lang: operator("lang", lang))

    def wanted(self, candidate: Candidate) -> Post | None:
        """The post, with the rules it matches; None where nobody wants it."""
        if not (_one_of(self._langs, candidate) and _one_of(self._words, candidate)):
            return None
        if not self._rules:
            return candidate.post
        matched = self._rules.matching(candidate)
        return msgspec.structs.replace(candidate.post, rules=matched) if matched else None


def _tests(variable: str, values: str, make: Callable[[str], Test]) -> list[Test]:
    try:
        return [make(value.strip()) for value in values.split(",")] if values.strip() else []
    except Refusal as refusal:
        raise UserMistake(f"environment: {variable}: expected {refusal} between commas, got {values!r}") from refusal


def _one_of(tests: list[Test], candidate: Candidate) -> bool:
    return not tests or any(test(candidate) for test in tests)
