"""X's stream payload to Post.

Only ``data.id`` and ``data.text`` are needed; everything else may be missing, new, or of a type that X has changed
(X API v2 data dictionary: "fields may be added, be ready for them").
"""

import html
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from pipeline.contracts import VERSION, Author, MatchedRule, Post
from pipeline.text import clean, cut, short_line
from stream_getter.x.rules.tags import tag_as_written

#: Characters of text kept of one post; X allows 25,000.
TEXT_LIMIT = 100_000
LINKS_LIMIT = 50
#: Of what X says in an error message.
_SAID_CHARACTERS = 300
#: Characters of an id; X's have up to 19 digits.
_ID_LIMIT = 64

S = TypeVar("S", bound="_Struct")


class NoPost(ValueError):
    """The line holds no post; the message says in a few words what it holds instead.

    ``kind`` is one of few: ``error message``, ``unknown message``, ``not JSON``, ``no id or text``, ``nested too
    deeply``. ``disconnect`` is what X says where it announces that it ends the connection, and empty otherwise.
    """

    def __init__(self, kind: str, what: str = "", disconnect: str = "") -> None:
        super().__init__(what or kind)
        self.kind = kind
        self.disconnect = disconnect


class Parsed(NamedTuple):
    """A post, and what may miss in it: ``errors beside it``, ``unreadable fields``, ``broken characters``, or ""."""

    post: Post
    flaw: str


class _Struct(msgspec.Struct, gc=False):
    """Unknown fields are ignored."""


class _Url(_Struct):
    expanded_url: str = ""


class _Entities(_Struct):
    urls: list[_Url] = []


class _Note(_Struct):
    text: str
    entities: _Entities | None = None


class _Reference(_Struct):
    type: str
    id: str


class _Tweet(_Struct):
    id: str
    text: str
    author_id: str = ""
    created_at: datetime | None = None
    lang: str = ""
    note_tweet: _Note | None = None
    entities: _Entities | None = None
    referenced_tweets: list[_Reference] = []
    edit_history_tweet_ids: list[str] = []
    edit_history_post_ids: list[str] = []


class _UserMetrics(_Struct):
    followers_count: int | None = None


class _User(_Struct):
    id: str
    username: str = ""
    name: str = ""
    public_metrics: _UserMetrics | None = None


class _Includes(_Struct):
    users: list[_User] = []
    tweets: list[_Tweet] = []


class _Rule(_Struct):
    id: str | int = ""
    tag: str | None = None


class _Payload(_Struct):
    data: _Tweet | None = None
    includes: _Includes | None = None
    matching_rules: list[_Rule] = []
    errors: list[dict[str, Any]] = []


class _Essentials(_Struct):
    id: str
    text: str


class _EssentialPayload(_Struct):
    data: _Essentials


_decoder = msgspec.json.Decoder(_Payload)
_essential_decoder = msgspec.json.Decoder(_EssentialPayload)
_NO_INCLUDES = _Includes()
#: Of X's problems, those by which it announces the end of a connection.
_DISCONNECT = "operational-disconnect"


def parse_post(line: bytes, received_at: datetime, trace_id: str) -> Post:
    """The post in one line of the stream. Raises NoPost."""
    return parse_line(line, received_at, trace_id).post


def parse_line(line: bytes, received_at: datetime, trace_id: str) -> Parsed:
    """The post in one line of the stream, and what may miss in it. Raises NoPost."""
    try:
        payload, flaw = _decoder.decode(line), ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        payload, flaw = _salvaged(line)
    tweet = payload.data
    if tweet is None:
        raise _no_post(payload)
    if payload.errors:
        flaw = flaw or "errors beside it"
    return Parsed(_post(tweet, payload, received_at, trace_id), flaw)


def _post(tweet: _Tweet, payload: _Payload, received_at: datetime, trace_id: str) -> Post:
    if len(tweet.id) > _ID_LIMIT:
        raise NoPost("no id or text", f"an id of {len(tweet.id)} characters")
    includes = payload.includes or _NO_INCLUDES
    original = _referenced(tweet, "retweeted", includes)
    quoted = _referenced(original or tweet, "quoted", includes)
    source = original or tweet
    text = _whole_text(source)
    if not text:
        raise NoPost("no id or text", "a post without text")
    author = next((user for user in includes.users if user.id == tweet.author_id), None)
    return Post(
        v=VERSION,
        id=f"x:{tweet.id}",
        source="x",
        text=text,
        quoted_text=_whole_text(quoted) if quoted else "",
        author=_author(tweet.author_id, author),
        url=f"https://x.com/{author.username if author and author.username else 'i'}/status/{tweet.id}",
        links=_links(source),
        created_at=_utc(tweet.created_at) or received_at,
        received_at=received_at,
        lang=tweet.lang,
        rules=[
            MatchedRule(id=str(rule.id), tag=tag_as_written(clean(rule.tag or ""))) for rule in payload.matching_rules
        ],
        repost_of=next((f"x:{ref.id}" for ref in tweet.referenced_tweets if ref.type == "retweeted"), ""),
        edit_of=_first_version(tweet),
        trace_id=trace_id,
    )


def _salvaged(line: bytes) -> tuple[_Payload, str]:
    """What can be read of a line that is not as expected, and its flaw. Raises NoPost."""
    try:
        try:
            return _lenient(line), "unreadable fields"
        except (msgspec.DecodeError, UnicodeDecodeError):
            line = _repaired(line)
        try:
            return _decoder.decode(line), "broken characters"
        except msgspec.ValidationError:
            return _lenient(line), "unreadable fields"
    except RecursionError as error:
        raise NoPost("nested too deeply", "JSON that is nested too deeply") from error


def _lenient(line: bytes) -> _Payload:
    """The payload without what has another type. Raises NoPost without an id and text, DecodeError if it is no JSON."""
    try:
        _essential_decoder.decode(line)
    except msgspec.ValidationError as error:
        raise NoPost("no id or text", f"JSON without a post's id and text ({error})") from error
    document = msgspec.json.decode(line)
    parts = {name: document[name] for name in ("matching_rules", "errors") if name in document}
    payload = _fitting(_Payload, parts)
    payload.data = _fitting(_Tweet, document["data"])
    payload.includes = _fitting(_Includes, document.get("includes"))
    return payload


def _fitting(kind: type[S], value: Any) -> S:
    """The struct of those fields that can be converted; the others are left out."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        if isinstance(value, dict) and field.encode_name in value:
            with suppress(msgspec.ValidationError):
                fields[field.name] = msgspec.convert(value[field.encode_name], field.type)
    return kind(**fields)


def _repaired(line: bytes) -> bytes:
    """The line with lone surrogates replaced, which JSON may hold and UTF-8 not. Raises NoPost if it is no JSON."""
    try:
        document = json.loads(line.decode(errors="replace"))
        # json takes NaN and Infinity for numbers, which are no JSON
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode(errors="replace")
    except ValueError as error:
        raise NoPost("not JSON") from error


def _no_post(payload: _Payload) -> NoPost:
    if not payload.errors:
        return NoPost("unknown message", "an unknown kind of message")
    error = next((each for each in payload.errors if each.get("title") == _DISCONNECT), payload.errors[0])
    disconnect = ""
    if error.get("title") == _DISCONNECT:
        disconnect = short_line(f"{error.get('disconnect_type', '?')}: {error.get('detail', '')}", _SAID_CHARACTERS)
    said = short_line(f"{error.get('title', '?')}: {error.get('detail', '')}", _SAID_CHARACTERS)
    return NoPost("error message", f"an error message: {said}", disconnect)


def _whole_text(tweet: _Tweet) -> str:
    text = (tweet.note_tweet.text if tweet.note_tweet else "") or tweet.text
    return cut(clean(_unescaped(text)), TEXT_LIMIT)


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    try:
        return html.unescape(text)
    except ValueError:
        # a character reference of more digits than int() reads (4300)
        return text


def _referenced(tweet: _Tweet, kind: str, includes: _Includes) -> _Tweet | None:
    id_ = next((ref.id for ref in tweet.referenced_tweets if ref.type == kind), None)
    return next((other for other in includes.tweets if other.id == id_), None) if id_ else None


def _author(id_: str, user: _User | None) -> Author:
    if user is None:
        return Author(id=id_)
    metrics = user.public_metrics
    return Author(
        id=id_,
        username=clean(user.username),
        name=clean(user.name),
        followers=metrics.followers_count if metrics else None,
    )


def _links(tweet: _Tweet) -> list[str]:
    of_note = tweet.note_tweet.entities if tweet.note_tweet else None
    entities = of_note or tweet.entities or _Entities()
    links = dict.fromkeys(clean(url.expanded_url) for url in entities.urls if url.expanded_url)
    return list(links)[:LINKS_LIMIT]


def _first_version(tweet: _Tweet) -> str:
    history = tweet.edit_history_tweet_ids or tweet.edit_history_post_ids
    return f"x:{history[0]}" if history and history[0] != tweet.id else ""


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return None  # its zone moves it out of the years 1 to 9999
