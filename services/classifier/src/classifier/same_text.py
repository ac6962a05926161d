"""Which posts say the same: a story is shared in the same words a thousand times, and judged once."""

import hashlib
import re

#: What differs from share to share and says nothing: who is answered or shared, and where a link leads (shorteners
#: give each share its own).
_SHARED_BY = re.compile(r"^\s*(?:rt|via)\s+@[\w.-]{1,100}\s*:?", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<!\w)@[\w.-]{1,100}")
_BLANK = re.compile(r"\s+")
#: Characters that must be left: of a text of links alone its links are all that it says.
_LEAST = 8


def key_of(text: str) -> bytes:
    """The same 16 bytes for texts that differ only in case, links, handles, white space and a leading "RT @x:".

    A text that consists of hardly anything else is compared as it is.
    """
    said = _BLANK.sub(" ", _HANDLE.sub("", _LINK.sub("", _SHARED_BY.sub("", text)))).strip().casefold()
    same = said if len(said) >= _LEAST else f"\n{text}"
    return hashlib.blake2b(same.encode("utf-8", "surrogatepass"), digest_size=16).digest()
