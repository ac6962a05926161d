"""A useful part of the language of X's filtered stream, read into something that says yes or no to a post.

    rule   = all of { "OR" all of }
    all of = part { part }
    part   = [ "-" ] ( "(" rule ")" | term )
    term   = word | '"' phrase '"' | operator ":" ( value | '"' value '"' )

As X has it ("Build a rule"): a blank means and, which binds closer than OR; OR is in capitals, and the words ``and``
and ``or`` stand in quotes; ``-`` stands right before what must not be. The operators are those of ``operators``; any
other is refused, for a rule that silently means something else than at X is worse than none.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from stream_getter.matching.candidate import Candidate
from stream_getter.matching.operators import Refusal, Test, operator, term

#: Parentheses within each other: more are a mistake, and would end in Python's own limit.
DEPTH_LIMIT = 50

#: Why a source cannot know what an operator with this value asks for: what is expected instead, or None.
Unknowable = Callable[[str, str], str | None]

_OPERATOR = re.compile(r"([A-Za-z_]+):")
_WORD = re.compile(r'[^\s()"]+')
_BLANKS = re.compile(r"\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


class RuleError(ValueError):
    """A rule that cannot be understood; the message says what was expected, what was found, and where."""


class _Token(NamedTuple):
    kind: str
    at: int
    name: str = ""
    value: str = ""


def parse_rule(rule: str, unknowable: Unknowable = lambda _name, _value: None) -> Test:
    """What decides on a Candidate. Raises RuleError."""
    return _Parser(rule, unknowable).parsed()


class _Parser:
    def __init__(self, rule: str, unknowable: Unknowable) -> None:
        self._rule = rule
        self._unknowable = unknowable
        self._tokens = _tokens(rule)
        self._next = 0

    def parsed(self) -> Test:
        test = self._any_of(0)
        if self._kind == ")":
            raise self._error("the end, or an opening parenthesis before")
        return test

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    @property
    def _kind(self) -> str:
        return self._token.kind

    def _any_of(self, depth: int) -> Test:
        tests = [self._all_of(depth)]
        while self._kind == "OR":
            self._next += 1
            tests.append(self._all_of(depth))
        return tests[0] if len(tests) == 1 else _one_of(tests)

    def _all_of(self, depth: int) -> Test:
        tests = [self._part(depth)]
        while self._kind in ("-", "(", "term"):
            tests.append(self._part(depth))
        return tests[0] if len(tests) == 1 else _each_of(tests)

    def _part(self, depth: int) -> Test:
        if self._kind == "-":
            self._next += 1
            return _none_of(self._positive(depth))
        return self._positive(depth)

    def _positive(self, depth: int) -> Test:
        if self._kind == "(":
            if depth == DEPTH_LIMIT:
                raise self._error(f"at most {DEPTH_LIMIT} parentheses within each other")
            self._next += 1
            test = self._any_of(depth + 1)
            if self._kind != ")":
                raise self._error("a closing parenthesis")
        elif self._kind == "term":
            test = self._term()
        else:
            raise self._error("a word, a phrase, an operator or a parenthesis")
        self._next += 1
        return test

    def _term(self) -> Test:
        token = self._token
        try:
            if not token.name:
                return term(token.value)
            test = operator(token.name, token.value)
        except Refusal as refusal:
            raise self._error(str(refusal)) from refusal
        if expected := self._unknowable(token.name, token.value):
            raise self._error(expected)
        return test

    def _error(self, expected: str) -> RuleError:
        return _error(self._rule, expected, self._token.at)


def _tokens(rule: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = _after_blanks(rule, 0)
    while at < len(rule):
        token, at = _token(rule, at)
        tokens.append(token)
        at = _after_blanks(rule, at)
    return [*tokens, _Token("end", at)]


def _token(rule: str, at: int) -> tuple[_Token, int]:
    """The token that begins there, and where it ends."""
    character = rule[at]
    if character in "()":
        return _Token(character, at), at + 1
    if character == "-":
        if at + 1 == len(rule) or rule[at + 1].isspace() or rule[at + 1] in ")-":
            raise _error(rule, "what must not be right after the minus", at)
        return _Token("-", at), at + 1
    if character == '"':
        value, end = _quoted(rule, at)
        return _Token("term", at, value=value), end
    if character in "“”„«»":
        raise _error(rule, 'straight quotation marks (")', at)
    if found := _OPERATOR.match(rule, at):
        name, end = found[1].lower(), found.end()
        if rule[end : end + 1] == '"':
            value, end = _quoted(rule, end)
            return _Token("term", at, name, value), end
        word = _WORD.match(rule, end)
        if word is None:
            raise _error(rule, f"a value right after {name}:", end)
        return _Token("term", at, name, word[0]), word.end()
    word = _WORD.match(rule, at)
    assert word is not None, "what is no blank, parenthesis or quotation mark is a word"  # noqa: S101
    if word[0] == "OR":
        return _Token("OR", at), word.end()
    if word[0].lower() in ("and", "or"):
        raise _error(rule, 'a blank for "and", OR for "or", and the word itself in quotes', at)
    return _Token("term", at, value=word[0]), word.end()


def _quoted(rule: str, at: int) -> tuple[str, int]:
    found = _QUOTED.match(rule, at)
    if found is None:
        raise _error(rule, "a closing quotation mark", len(rule))
    end = found.end()
    if end < len(rule) and not (rule[end].isspace() or rule[end] in "()"):
        raise _error(rule, "a blank after the quotation mark", end)
    return _ESCAPED.sub(r"\1", found[1]), end


def _after_blanks(rule: str, at: int) -> int:
    found = _BLANKS.match(rule, at)
    return found.end() if found else at


def _error(rule: str, expected: str, at: int) -> RuleError:
    found = repr(rule[at : at + 20]) if at < len(rule) else "the end"
    return RuleError(f"expected {expected}, got {found} at character {at + 1}")


def _one_of(tests: list[Test]) -> Test:
    def test(candidate: Candidate) -> bool:
        for one in tests:  # noqa: SIM110 - any() with a generator takes twice as long
            if one(candidate):
                return True
        return False

    return test


def _each_of(tests: list[Test]) -> Test:
    def test(candidate: Candidate) -> bool:
        for one in tests:  # noqa: SIM110 - as above
            if not one(candidate):
                return False
        return True

    return test


def _none_of(one: Test) -> Test:
    return lambda candidate: not one(candidate)
