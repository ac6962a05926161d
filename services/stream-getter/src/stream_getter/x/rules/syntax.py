"""What is wrong with a rule, as far as that can be told without X.

X API v2, "Filtered stream: build a rule" and "Filtered stream operators". Only what X's documents refuse outright is
refused here: X has the last word, by its dry run, and may know operators that these documents do not have.
"""

import re
from typing import NamedTuple

#: Operators that match nearly everything, and so are no rule by themselves ("conjunction required").
_CONJUNCTION_REQUIRED = re.compile(r"(?:is|has|lang|sample|embedding_threshold):", re.IGNORECASE)
_NEVER_NEGATED = re.compile(r"(?:sample|embedding):", re.IGNORECASE)
_ALWAYS_NEGATED = re.compile(r"is:nullcast", re.IGNORECASE)
#: A quoted phrase, a list of coordinates, or what stands up to the next blank, quote or parenthesis.
_PIECE = re.compile(r"""\s+|-?\(|\)|(?:"(?:\\.|[^"\\])*"|:\[[^\]"]*\]|[^\s"()])+|.""")
_AMBIGUOUS = ("and", "or")


class _Term(NamedTuple):
    text: str
    negated: bool


def mistake_in(value: str) -> str | None:
    """What X would refuse it for, as "expected …, got …"; None for what seems right."""
    pieces = [piece for piece in _PIECE.findall(value) if not piece.isspace()]
    if '"' in pieces:  # one that no other closes: whole phrases are in pieces of their own
        return "expected a closing quote for each opening one, got one that stays open"
    return _mistake_of_grouping(pieces) or _mistake_of_words(pieces) or _mistake_of_terms(_terms(pieces))


def _mistake_of_grouping(pieces: list[str]) -> str | None:
    depth = 0
    before = ""
    for piece in pieces:
        if piece == ")":
            if not depth:
                return "expected an opening parenthesis for each closing one, got one too few"
            if before.endswith("("):
                return "expected something within parentheses, got ()"
            depth -= 1
        elif piece.endswith("("):
            depth += 1
        before = piece
    return "expected a closing parenthesis for each opening one, got one that stays open" if depth else None


def _mistake_of_words(pieces: list[str]) -> str | None:
    for before, piece, after in zip(["(", *pieces], pieces, [*pieces[1:], ")"], strict=False):
        if piece == "OR" and (before == "OR" or before.endswith("(") or after in ("OR", ")")):
            return "expected something on both sides of OR, got nothing on one of them"
        if piece.lower() in _AMBIGUOUS and piece != "OR":
            return f'expected a blank for "and", OR for "or", and the word itself in quotes, got {piece}'
        if piece == "-":
            return "expected something right after each -, got a blank"
    return None


def _terms(pieces: list[str]) -> list[_Term]:
    """What posts are compared with; ``negated`` also within a negated group."""
    terms: list[_Term] = []
    groups = [False]
    for piece in pieces:
        negated = piece.startswith("-") != groups[-1]
        if piece.endswith("(") and piece.removeprefix("-") == "(":
            groups.append(negated)
        elif piece == ")":
            groups.pop()
        elif piece != "OR":
            terms.append(_Term(piece.removeprefix("-"), negated))
    return terms


def _mistake_of_terms(terms: list[_Term]) -> str | None:
    for term in terms:
        if term.negated and _NEVER_NEGATED.match(term.text):
            return f"expected {term.text.partition(':')[0]}: without -, got it negated"
        if not term.negated and _ALWAYS_NEGATED.fullmatch(term.text):
            return "expected -is:nullcast, which X takes only negated, got is:nullcast"
    if not any(not term.negated and not _CONJUNCTION_REQUIRED.match(term.text) for term in terms):
        return (
            "expected at least one word, phrase or operator that may stand alone (such as from: or #tag), "
            "got only what narrows others (is:, has:, lang:, sample:, or negated)"
        )
    return None
