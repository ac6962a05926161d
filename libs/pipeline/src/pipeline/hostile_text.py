"""A post is hostile wherever it is shown: what it may not do to a terminal.

Two ways to take its power: ``one_line`` leaves out what a terminal would act upon, for those who want to read the text;
``escaped`` shows it, for those who want to know what is there.

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
_BIDI_CONTROLS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
#: Zero-width joiners stay: emoji and several scripts need them.
_INVISIBLE = "\u200b\u2060\ufeff\u00ad\ufff9-\ufffb\U000e0000-\U000e007f"
_UNSEEN = re.compile(f"[{_BIDI_CONTROLS}{_INVISIBLE}]")
#: Control characters, lone surrogates, and separators that some terminals break lines at: Cc, Cs, Zl, Zp.
_ACTED_UPON = re.compile(f"[\\x00-\\x1f\\x7f-\\x9f\ud800-\udfff\u2028\u2029{_BIDI_CONTROLS}{_INVISIBLE}]")


def one_line(text: str, limit: int) -> str:
    """The text on one line, at most ``limit`` characters, without anything that a terminal would act upon."""
    text = _TERMINAL_SEQUENCE.sub("", text)
    text = _UNSEEN.sub("", text)
    # Cc: control characters; Cs: lone surrogates; Zl, Zp: separators that some terminals break lines at
    text = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def escaped(text: str) -> str:
    """The text on one line, with everything that a terminal would act upon, or not show, written as JSON escapes it.

    Nothing is left out: of a JSON text the result is JSON for the same value.
    """
    return _ACTED_UPON.sub(_as_json_escape, text)


def escaped_lines(text: str) -> str:
    """As ``escaped``, and line ends (LF) stay: indent them, or a text can pass for lines of somebody else."""
    return "\n".join(map(escaped, text.split("\n")))


def _as_json_escape(found: "re.Match[str]") -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
