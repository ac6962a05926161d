"""A post is hostile in a subject line too; what it may not do to a terminal is in pipeline.hostile_text."""

import unicodedata

from pipeline.hostile_text import one_line


def ascii_subject(text: str, limit: int = 99) -> str:
    """One line of printable ASCII, at most ``limit`` characters: an SNS subject has to be under 100 (SNS API, Publish).

    Letters lose their accents; what has no ASCII form is left out. Never empty, and it never begins with a blank.
    """
    plain = unicodedata.normalize("NFKD", one_line(text, limit * 4)).encode("ascii", "ignore").decode()
    plain = " ".join(plain.split())
    if len(plain) > limit:
        plain = plain[: limit - 3].rstrip() + "..."
    return plain or "(no text)"
