"""Jetstream's messages to Posts.

Jetstream (version 1, "Consuming Jetstream") tells of commits, accounts and identities. A commit's record is whatever
its author's server holds: the lexicon app.bsky.feed.post says what it should be, and nobody checks. So only the DID of
the author, the record's key and its text are needed; all else may be missing or of any type.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from pipeline.contracts import VERSION, Author, Post
from pipeline.text import clean, cut
from stream_getter.matching.candidate import Candidate

COLLECTION = "app.bsky.feed.post"
#: Characters of text kept of one post; the lexicon allows 300 graphemes.
TEXT_LIMIT = 10_000
LINKS_LIMIT = 50
_LINK_LENGTH = 2_000
_LANG_LENGTH = 35
#: What a Post's id is made of (AT Protocol, "DID" and "Record Key"), and shorter than what these allow.
_DID = re.compile(r"did:[a-z]+:[A-Za-z0-9._:%-]{1,200}")
_RKEY = re.compile(r"[A-Za-z0-9._:~-]{1,128}")
#: Authors write ``createdAt``. Nobody posted before, and clocks are not so far ahead.
_EARLIEST = datetime(2006, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoMessage(ValueError):
    """What came is no message of Jetstream's; the message is one of few, and holds nothing of what came."""


class ServerError(Exception):
    """The server says why it is about to end the connection. The message is one line."""


class _Struct(msgspec.Struct, gc=False):
    """Unknown fields are ignored."""


class _Commit(_Struct):
    operation: str = ""
    collection: str = ""
    rkey: str = ""
    record: Any = None


class _Message(_Struct):
    did: str = ""
    time_us: int = 0
    kind: str = ""
    commit: _Commit | None = None
    type: str = msgspec.field(default="", name="$type")
    error: Any = None


class Event(NamedTuple):
    """One message: when it passed the server (microseconds since 1970), and its post or why it has none.

    ``passed_over`` is one of few; a message that should hold a post and does not is ``refused`` beside.
    """

    time_us: int
    candidate: Candidate | None = None
    passed_over: str = ""
    refused: bool = False


_decoder = msgspec.json.Decoder(_Message)


def parse_event(frame: bytes, received_at: datetime, trace_id: str) -> Event:
    """What one frame says. Raises NoMessage and ServerError."""
    try:
        message = _decoder.decode(frame)
    except msgspec.ValidationError as error:
        raise NoMessage("JSON of another shape") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NoMessage("not JSON") from error
    except RecursionError as error:
        raise NoMessage("nested too deeply") from error
    if message.type == "error" or (message.error and not message.kind):
        raise ServerError(cut(clean(" ".join(str(message.error).split())), 200))
    if message.time_us <= 0:
        raise NoMessage("a message without a time")
    if message.kind in ("account", "identity"):
        return Event(message.time_us, passed_over=message.kind)
    commit = message.commit
    if message.kind != "commit" or commit is None:
        return Event(message.time_us, passed_over="unknown kind", refused=True)
    if commit.collection != COLLECTION:
        return Event(message.time_us, passed_over="other collection")
    if commit.operation in ("update", "delete"):
        return Event(message.time_us, passed_over=commit.operation)
    if commit.operation != "create":
        return Event(message.time_us, passed_over="unknown operation", refused=True)
    return _created(message, commit, received_at, trace_id)


def _created(message: _Message, commit: _Commit, received_at: datetime, trace_id: str) -> Event:
    record = commit.record
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        return Event(message.time_us, passed_over="no text in its record", refused=True)
    if not (_DID.fullmatch(message.did) and _RKEY.fullmatch(commit.rkey)):
        return Event(message.time_us, passed_over="no usable id", refused=True)
    text = cut(clean(record["text"]), TEXT_LIMIT)
    if not text.strip():
        return Event(message.time_us, passed_over="empty text")  # a picture or a video alone
    post = Post(
        v=VERSION,
        id=f"bluesky:at://{message.did}/{COLLECTION}/{commit.rkey}",
        source="bluesky",
        text=text,
        author=Author(id=message.did),
        url=f"https://bsky.app/profile/{message.did}/post/{commit.rkey}",
        links=_links(record),
        created_at=_created_at(record.get("createdAt"), message.time_us, received_at),
        received_at=received_at,
        lang=_lang(record.get("langs")),
        trace_id=trace_id,
    )
    reply = isinstance(record.get("reply"), dict)
    return Event(message.time_us, Candidate(post, reply=reply, quote=_is_quote(record.get("embed"))))


def _created_at(claimed: object, time_us: int, received_at: datetime) -> datetime:
    passed = _moment(time_us) or received_at
    if isinstance(claimed, str):
        try:
            moment = msgspec.convert(claimed, datetime)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (msgspec.ValidationError, OverflowError):
            return passed
        # in this order, for the time of a message may be near the end of the year 9999
        if moment >= _EARLIEST and moment - _AHEAD <= passed:
            return moment
    return passed


def _moment(time_us: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return None


def _lang(langs: object) -> str:
    first = langs[0] if isinstance(langs, list) and langs else ""
    return clean(first) if isinstance(first, str) and len(first) <= _LANG_LENGTH else ""


def _links(record: dict[str, Any]) -> list[str]:
    found = dict.fromkeys(
        clean(uri)
        for uri in _uris(record)
        if isinstance(uri, str) and len(uri) <= _LINK_LENGTH and uri.lower().startswith(("http://", "https://"))
    )
    return list(found)[:LINKS_LIMIT]


def _uris(record: dict[str, Any]) -> Iterator[object]:
    """Addresses in the text, by its facets, then that of the card below (AT Protocol, app.bsky.richtext.facet)."""
    for facet in _list(record.get("facets")):
        for feature in _list(_dict(facet).get("features")):
            yield _dict(feature).get("uri")
    embed = _dict(record.get("embed"))
    for holder in (embed, _dict(embed.get("media"))):
        yield _dict(holder.get("external")).get("uri")


def _is_quote(embed: object) -> bool:
    """Whether a record is embedded: the post holds only its reference (app.bsky.embed.record, recordWithMedia)."""
    record = _dict(_dict(embed).get("record"))
    uri = record.get("uri") or _dict(record.get("record")).get("uri")
    # lists, feeds and starter packs are embedded in the same way
    return isinstance(uri, str) and f"/{COLLECTION}/" in uri


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
