"""What the model reads of a post in the shape of X's filtered stream, so that a recording can be labelled as it is.

Only what decides a judgement is read; the stream's own parser is stream-getter's, and a test holds the two together.
"""

import html
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

#: Before the tag of a rule at X that `stream-getter rules` put there.
_OWN_TAGS = "tweet-alerts/"


class _Note(msgspec.Struct):
    text: str


class _Reference(msgspec.Struct):
    type: str
    id: str


class _Tweet(msgspec.Struct):
    id: str
    text: str
    lang: str = ""
    note_tweet: _Note | None = None
    referenced_tweets: list[_Reference] = []


class _Includes(msgspec.Struct):
    tweets: list[_Tweet] = []


class _Rule(msgspec.Struct):
    tag: str | None = None


class XPayload(msgspec.Struct):
    """A line of the stream. Unknown fields are ignored."""

    data: _Tweet
    includes: _Includes | None = None
    matching_rules: list[_Rule] = []


class Parts(NamedTuple):
    """Of a repost those of the original, but for the id."""

    text: str
    quoted_text: str
    id: str
    lang: str
    tags: Sequence[str]


def parts_of(payload: XPayload) -> Parts:
    """What is read of a line."""
    tweet = payload.data
    others = {other.id: other for other in (payload.includes.tweets if payload.includes else [])}
    source = _referenced(tweet, "retweeted", others) or tweet
    quoted = _referenced(source, "quoted", others)
    return Parts(
        text=_text(source),
        quoted_text=_text(quoted) if quoted else "",
        id=tweet.id,
        lang=tweet.lang,
        tags=[(rule.tag or "").removeprefix(_OWN_TAGS) for rule in payload.matching_rules],
    )


def _referenced(tweet: _Tweet, kind: str, others: dict[str, _Tweet]) -> _Tweet | None:
    return next((others[ref.id] for ref in tweet.referenced_tweets if ref.type == kind and ref.id in others), None)


def _text(tweet: _Tweet) -> str:
    text = (tweet.note_tweet.text if tweet.note_tweet else "") or tweet.text
    try:
        return html.unescape(text)
    except ValueError:
        # a character reference of more digits than int() reads (4300)
        return text
