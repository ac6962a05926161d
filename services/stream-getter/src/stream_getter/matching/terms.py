"""Whether a text holds a word, whatever its case, its script and the forms of its characters.

Texts are compared as ``normal`` makes them: Unicode's compatibility forms (NFKC, so that full-width and "fancy" letters
are letters) with case folded; accents count, as they do for X. A word stands between characters that are no letters,
digits, marks or underscores. Scripts that are written without blanks, and Korean, whose particles are written on to the
word, have no such border: there a word is found anywhere.
"""

import bisect
import re
import unicodedata
from itertools import chain

_BLANKS = re.compile(r"\s+")
#: First and last code points (Unicode's Blocks.txt): Thai and Lao, Myanmar, Hangul Jamo, Khmer, kana and Bopomofo,
#: kana extensions, CJK extension A, CJK, Hangul, CJK compatibility, CJK extensions B to H.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1100, 0x11FF),
    (0x1780, 0x17FF),
    (0x3040, 0x318F),
    (0x31A0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7AF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)
_EDGES = list(chain.from_iterable((first, last + 1) for first, last in _UNSPACED))
_SIGILS = "#@$"


def normal(text: str) -> str:
    """The text as it is compared, with one blank for each run of them."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _BLANKS.sub(" ", text.casefold()).strip()


def holds(text: str, term: str) -> bool:
    """Whether ``text`` holds ``term`` as a word, a phrase, or one with # @ or $ before it. Both must be ``normal``."""
    at = text.find(term)
    while at >= 0:
        if _starts(text, term, at) and _ends(text, term, at + len(term)):
            return True
        at = text.find(term, at + 1)
    return False


def has_marked_word(text: str, sigil: str) -> bool:
    """Whether a word with this sign before it stands in the text, which must be ``normal``."""
    at = text.find(sigil)
    while 0 <= at < len(text) - 1:
        if _is_of_word(text[at + 1]) and not (at and _is_of_word(text[at - 1])):
            return True
        at = text.find(sigil, at + 1)
    return False


def _starts(text: str, term: str, at: int) -> bool:
    if at == 0:
        return True
    before, first = text[at - 1], term[0]
    if first in _SIGILS:
        # a#b is no hashtag, but CJK is written on to one
        return not _is_of_word(before) or _is_unspaced(before)
    return not _belong_together(before, first)


def _ends(text: str, term: str, end: int) -> bool:
    if end == len(text):
        return True
    if term[0] == "@" and text[end] in ".-" and end + 1 < len(text) and _is_of_word(text[end + 1]):
        return False  # names of Bluesky have dots: @ana is not @ana.example
    return not _belong_together(term[-1], text[end])


def _belong_together(one: str, other: str) -> bool:
    return _is_of_word(one) and _is_of_word(other) and not _is_unspaced(one) and not _is_unspaced(other)


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _is_unspaced(character: str) -> bool:
    return bisect.bisect_right(_EDGES, ord(character)) % 2 == 1
