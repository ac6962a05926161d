"""A post is hostile wherever it goes: what it may not do to a terminal or to a subject line.

Unicode Technical Report 36 (security considerations) on bidirectional text; ECMA-48 on control sequences.
"""

import re
import unicodedata

#: ESC-introduced sequences (CSI, OSC with its text, and two-character ones) and their 8-bit forms. U+FFFD before a
#: bracket is what is left of an ESC that a queue refused: harmless, but its parameters are no words either.
_TERMINAL_SEQUENCE = re.compile(
    r"(?:[\x1b\ufffd]\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
#: Embeddings, overrides, isolates and marks: with them a text can show in an order that it does not have.
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: Zero-width joiners stay: emoji and several scripts need them.
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\ufff9-\ufffb\U000e0000-\U000e007f]")


def one_line(text: str, limit: int) -> str:
    """The text on one line, at most ``limit`` characters, without anything that a terminal would act upon."""
    text = _TERMINAL_SEQUENCE.sub("", text)
    text = _BIDI_CONTROLS.sub("", _INVISIBLE.sub("", text))
    # Cc: control characters; Cs: lone surrogates; Zl, Zp: separators that some terminals break lines at
    text = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def ascii_subject(text: str, limit: int = 99) -> str:
    """One line of printable ASCII, at most ``limit`` characters: an SNS subject has to be under 100 (SNS API, Publish).

    Letters lose their accents; what has no ASCII form is left out. Never empty, and it never begins with a blank.
    """
    plain = unicodedata.normalize("NFKD", one_line(text, limit * 4)).encode("ascii", "ignore").decode()
    plain = " ".join(plain.split())
    if len(plain) > limit:
        plain = plain[: limit - 3].rstrip() + "..."
    return plain or "(no text)"
