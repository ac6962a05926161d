"""Posts that come from outside while the stream is open."""

import re
from typing import Any

from simulator.clock import Clock, x_timestamp
from simulator.payload import Payload, Post
from simulator.posts_file import PayloadError, check_payload
from simulator.rules import Rules
from simulator.snowflake import SnowflakeIds

AUTHOR = {
    "id": "1790000000000000002",
    "name": "X simulator",
    "username": "x_simulator",
    "created_at": "2024-05-13T00:00:00.000Z",
    "description": "Posts that were handed to the simulator.",
    "public_metrics": {"followers_count": 1, "following_count": 0, "tweet_count": 1, "listed_count": 0},
    "verified": False,
}
DEFAULT_MATCHING_RULE = {"id": "1790000000000000003", "tag": "simulator"}
SHORT_POST_CHARACTERS = 280
_LINK = re.compile(r"https?://[^\s<>\"]+")


class PostFactory:
    """Makes whole payloads from bare texts, and fills what a given payload lacks."""

    def __init__(self, ids: SnowflakeIds, rules: Rules, clock: Clock) -> None:
        self._ids = ids
        self._rules = rules
        self._clock = clock

    def from_text(self, text: str) -> Post:
        """A post with all the fields X can send. Raises PayloadError for a blank text.

        A text of more than 280 characters becomes a long post: shortened in `text`, whole in `note_tweet`.
        """
        text = text.strip()
        if not text:
            raise PayloadError("expected the text of a post, found nothing")
        post_id = self._ids.fresh()
        data: Payload = {
            "id": post_id,
            "text": text,
            "author_id": AUTHOR["id"],
            "conversation_id": post_id,
            "lang": "en",
            "public_metrics": {"retweet_count": 0, "reply_count": 0, "like_count": 0, "quote_count": 0},
        }
        if len(text) > SHORT_POST_CHARACTERS:
            data["note_tweet"] = {"text": text}
            data["text"] = text[: SHORT_POST_CHARACTERS - 1] + "…"
        urls = [_url_entity(match) for match in _LINK.finditer(data["text"])]
        if urls:
            data["entities"] = {"urls": urls}
        return self._completed({"data": data, "includes": {"users": [AUTHOR]}})

    def from_payload(self, value: Any) -> Post:
        """A post from a payload as in a posts file, whose id may be missing. Raises PayloadError."""
        if isinstance(value, dict) and isinstance(value.get("data"), dict):
            value = {**value, "data": {"id": self._ids.fresh(), **value["data"]}}
        return self._completed(check_payload(value))

    def _completed(self, payload: Payload) -> Post:
        data = payload["data"]
        added = {"edit_history_tweet_ids": [data["id"]], "created_at": x_timestamp(self._clock.now())}
        rule = self._rules.first() or DEFAULT_MATCHING_RULE
        return Post({"matching_rules": [rule], **payload, "data": {**added, **data}})


def _url_entity(match: re.Match[str]) -> Payload:
    link = match.group()
    shown = link.split("://", 1)[1]
    return {
        "start": match.start(),
        "end": match.end(),
        "url": link,
        "expanded_url": link,
        "display_url": shown if len(shown) <= 26 else shown[:25] + "…",
    }
