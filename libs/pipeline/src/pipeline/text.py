"""Text that queues and encoders accept.

Amazon SQS refuses a message with any character outside #x9, #xA, #xD, #x20 to #xD7FF, #xE000 to #xFFFD and #x10000 to
#x10FFFF (SQS API Reference, SendMessage). Posts may hold others, and lone surrogates too, which UTF-8 cannot express.
"""

import re

_REFUSED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """The text with every character that SQS refuses replaced by U+FFFD, and nothing else changed."""
    # of what can be printed nothing is refused, and this is known in a tenth of the time
    return text if text.isprintable() else _REFUSED.sub("\ufffd", text)


def cut(text: str, limit: int) -> str:
    """The text, at most ``limit`` characters long; a cut is shown by an ellipsis as its last character."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def short_line(text: str, limit: int) -> str:
    """The beginning of what a program or server said, cleaned, in one line of at most ``limit`` characters."""
    return " ".join(clean(cut(text, limit)).split())
