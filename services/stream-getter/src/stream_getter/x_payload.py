"""X's stream payload to Post.

Only ``data.id`` and ``data.text`` are needed; everything else may be missing, new, or of a type that X has changed
(X API v2 data dictionary: "fields may be added, be ready for them").
"""

import html
import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from pipeline.contracts import VERSION, Author, MatchedRule, Post
from pipeline.text import clean, cut

#: Characters of text kept of one post; X allows 25,000.
TEXT_LIMIT = 100_000
LINKS_LIMIT = 50


class NoPost(ValueError):
    """The line holds no post; the message says in a few words what it holds instead."""


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


def parse_post(line: bytes, received_at: datetime, trace_id: str) -> Post:
    """The post in one line of the stream. Raises NoPost."""
    payload = _decoded(line)
    tweet = payload.data
    if tweet is None:
        raise NoPost(_what_else(payload))
    includes = payload.includes or _Includes()
    original = _referenced(tweet, "retweeted", includes)
    quoted = _referenced(original or tweet, "quoted", includes)
    source = original or tweet
    text = _whole_text(source)
    if not text:
        raise NoPost("a post without text")
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
        rules=[MatchedRule(id=str(rule.id), tag=clean(rule.tag or "")) for rule in payload.matching_rules],
        repost_of=next((f"x:{ref.id}" for ref in tweet.referenced_tweets if ref.type == "retweeted"), ""),
        edit_of=_first_version(tweet),
        trace_id=trace_id,
    )


def _decoded(line: bytes) -> _Payload:
    try:
        try:
            return _lenient(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _lenient(_repaired(line))
    except RecursionError as error:
        raise NoPost("JSON that is nested too deeply") from error


def _lenient(line: bytes) -> _Payload:
    """The payload, or only its essentials. Raises NoPost where these miss, DecodeError if it is no JSON."""
    try:
        return _decoder.decode(line)
    except msgspec.ValidationError:
        # a field we could do without has another type: the post itself is still good
        pass
    try:
        essential = _essential_decoder.decode(line).data
    except msgspec.ValidationError as error:
        raise NoPost(f"JSON without a post's id and text ({error})") from error
    return _Payload(data=_Tweet(id=essential.id, text=essential.text))


def _repaired(line: bytes) -> bytes:
    """The line with lone surrogates replaced, which JSON may hold and UTF-8 not. Raises NoPost if it is no JSON."""
    try:
        document = json.loads(line.decode(errors="replace"))
        # json takes NaN and Infinity for numbers, which are no JSON
        return json.dumps(document, ensure_ascii=False, allow_nan=False).encode(errors="replace")
    except ValueError as error:
        raise NoPost("not JSON") from error


def _what_else(payload: _Payload) -> str:
    if payload.errors:
        error = payload.errors[0]
        said = f"{error.get('title', '?')}: {error.get('detail', '')}"
        return f"an error message: {clean(cut(said, 300))}"
    return "an unknown kind of message"


def _whole_text(tweet: _Tweet) -> str:
    text = (tweet.note_tweet.text if tweet.note_tweet else "") or tweet.text
    return cut(clean(_unescaped(text)), TEXT_LIMIT)


def _unescaped(text: str) -> str:
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
