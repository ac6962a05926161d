"""Which posts say the same: a story is shared in the same words a thousand times, and judged once."""

import hashlib
import re

#: A user's name as X has it, or a domain as Bluesky has it, and the latter only as a whole word with one of the usual
#: ends. All in ASCII: where words stand without blanks, and after a stop without one, the next word is none of it.
_DOMAIN = r"@(?:[a-z0-9-]{1,63}\.){1,4}(?:com|net|org|(?<=\.bsky\.)social)(?![\w-]|\.\w)"
_NAME = rf"(?:{_DOMAIN}|@[A-Za-z0-9_]{{1,100}})"
#: What differs from share to share and says nothing: who is answered or shared, and where a link leads (shorteners
#: give each share its own).
_SHARED_BY = re.compile(rf"^\s*(?i:rt|via)\s+{_NAME}\s*:?")
_LINK = re.compile(r"(?i:https?://|(?<!\w)www\.)[!-~]+")
_HANDLE = re.compile(rf"(?<!\w){_NAME}")
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
