"""Posts of our own contract that somebody else wrote: decoded, and held to the bounds that our own sources keep."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from pipeline.contracts import Author, MatchedRule, Post, decode_post
from pipeline.errors import ContractError
from pipeline.text import clean, cut
from stream_getter.x.payload import LINKS_LIMIT, TEXT_LIMIT

#: Characters of an id; a longer one is refused, because two that were cut could become the same.
ID_LIMIT = 300
#: Characters of everything else that is short by its nature: names, languages, tags.
_WORDS_LIMIT = 300
_URL_LIMIT = 2000
_RULES_LIMIT = 100


class NotAPost(ValueError):
    """What was read holds no post. ``kind`` is one of few, for metrics; the message tells more, in one line."""

    def __init__(self, kind: str, what: str = "") -> None:
        super().__init__(f"{kind}: {what}" if what else kind)
        self.kind = kind


def parse_contract_post(line: bytes, source: str, received_at: datetime, new_trace_id: Callable[[], str]) -> Post:
    """The Post in this JSON, as ``tidied``. Raises NotAPost."""
    try:
        post = decode_post(line.decode())
    except UnicodeDecodeError as error:
        raise NotAPost("not UTF-8") from error
    except ContractError as error:
        raise NotAPost("not of the contract", clean(cut(_without_values(str(error)), _WORDS_LIMIT))) from error
    return tidied(post, source, received_at, new_trace_id)


def tidied(post: Post, source: str, received_at: datetime, new_trace_id: Callable[[], str]) -> Post:
    """The post as arrived now from ``source``, cleaned and bounded; its own trace id is kept. Raises NotAPost.

    The source it names is not kept: it becomes a label of metrics, which must be few.
    """
    if not post.id or len(post.id) > ID_LIMIT:
        raise NotAPost("bad id", f"{len(post.id)} characters instead of 1 to {ID_LIMIT}")
    text = cut(clean(post.text), TEXT_LIMIT)
    if not text.strip():
        raise NotAPost("no text")
    return msgspec.structs.replace(
        post,
        id=clean(post.id),
        source=source,
        text=text,
        quoted_text=cut(clean(post.quoted_text), TEXT_LIMIT),
        author=Author(
            id=_words(post.author.id),
            username=_words(post.author.username),
            name=_words(post.author.name),
            followers=post.author.followers,
        ),
        url=_url(post.url),
        links=[link for link in dict.fromkeys(map(_url, post.links)) if link][:LINKS_LIMIT],
        created_at=_utc(post.created_at) or received_at,
        received_at=received_at,
        lang=_words(post.lang),
        rules=[MatchedRule(id=_words(rule.id), tag=_words(rule.tag)) for rule in post.rules[:_RULES_LIMIT]],
        repost_of=_id(post.repost_of),
        edit_of=_id(post.edit_of),
        trace_id=_words(post.trace_id) or new_trace_id(),
    )


def _without_values(reason: str) -> str:
    # of these the decoder repeats what it found, which is somebody's words
    if reason.startswith(("Invalid value", "Invalid enum value")):
        _, at, place = reason.rpartition(" - at ")
        return f"an unknown value{at}{place if at else ''}"
    return reason


def _words(text: str) -> str:
    return cut(clean(text), _WORDS_LIMIT)


def _id(id_: str) -> str:
    return clean(id_) if len(id_) <= ID_LIMIT else ""


def _url(url: str) -> str:
    # half a link would lead elsewhere
    return clean(url) if len(url) <= _URL_LIMIT else ""


def _utc(moment: datetime) -> datetime | None:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None  # its zone moves it out of the years 1 to 9999
