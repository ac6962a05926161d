"""Which fields of a payload a request gets.

The rules are those of X's documents "Fields" and "Expansions": every object has few default fields, others
come only when asked for, and an expansion also brings the field that it expands.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from simulator.payload import Payload

DEFAULT_TWEET_FIELDS = frozenset({"id", "text", "edit_history_tweet_ids"})
DEFAULT_USER_FIELDS = frozenset({"id", "name", "username"})
REMOVED_TWEET_FIELDS = frozenset({"source"})

FIELD_OF_EXPANSION = {
    "author_id": "author_id",
    "attachments.media_keys": "attachments",
    "attachments.poll_ids": "attachments",
    "entities.mentions.username": "entities",
    "geo.place_id": "geo",
    "in_reply_to_user_id": "in_reply_to_user_id",
    "referenced_tweets.id": "referenced_tweets",
    "referenced_tweets.id.author_id": "author_id",
}
ATTACHED_OBJECTS = {
    # kind of includes: (expansion that brings it, query parameter of its fields, default fields)
    "media": ("attachments.media_keys", "media.fields", frozenset({"media_key", "type"})),
    "places": ("geo.place_id", "place.fields", frozenset({"id", "full_name"})),
    "polls": ("attachments.poll_ids", "poll.fields", frozenset({"id", "options"})),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What one request asked for."""

    expansions: frozenset[str]
    tweet_fields: frozenset[str]
    user_fields: frozenset[str]
    attached_fields: Mapping[str, frozenset[str]]

    @classmethod
    def from_query(cls, query: Mapping[str, Collection[str]]) -> "Selection":
        """The selection of a parsed query string, whose values are comma-separated lists."""
        expansions = _asked(query, "expansions")
        implied = {FIELD_OF_EXPANSION[one] for one in expansions & FIELD_OF_EXPANSION.keys()}
        if "referenced_tweets.id.author_id" in expansions:
            implied.add("referenced_tweets")
        return cls(
            expansions=expansions,
            tweet_fields=(DEFAULT_TWEET_FIELDS | _asked(query, "tweet.fields") | implied) - REMOVED_TWEET_FIELDS,
            user_fields=DEFAULT_USER_FIELDS | _asked(query, "user.fields"),
            attached_fields={
                kind: default | _asked(query, parameter)
                for kind, (expansion, parameter, default) in ATTACHED_OBJECTS.items()
                if expansion in expansions
            },
        )

    def apply(self, payload: Payload) -> Payload:
        """A new payload with only what was asked for; matching_rules and errors always stay."""
        data = payload["data"]
        selected: Payload = {"data": _only(self.tweet_fields, data)}
        whole = payload.get("includes")
        if whole and self.expansions:
            includes = self._includes(data, whole)
            if includes:
                selected["includes"] = includes
        for always in ("errors", "matching_rules"):
            if always in payload:
                selected[always] = payload[always]
        return selected

    def _includes(self, data: Payload, whole: Payload) -> Payload:
        includes: Payload = {}
        referenced = self._referenced_tweets(data, whole)
        users = self._users(data, referenced, whole)
        if users:
            includes["users"] = users
        if referenced:
            includes["tweets"] = [_only(self.tweet_fields, tweet) for tweet in referenced]
        for kind, fields in self.attached_fields.items():
            if whole.get(kind):
                includes[kind] = [_only(fields, one) for one in whole[kind]]
        return includes

    def _referenced_tweets(self, data: Payload, whole: Payload) -> list[Payload]:
        if not self.expansions & {"referenced_tweets.id", "referenced_tweets.id.author_id"}:
            return []
        wanted = {reference["id"] for reference in data.get("referenced_tweets", ())}
        return [tweet for tweet in whole.get("tweets", ()) if tweet.get("id") in wanted]

    def _users(self, data: Payload, referenced: list[Payload], whole: Payload) -> list[Payload]:
        wanted_ids: set[str | None] = set()
        wanted_names: set[str | None] = set()
        if "author_id" in self.expansions:
            wanted_ids.add(data.get("author_id"))
        if "in_reply_to_user_id" in self.expansions:
            wanted_ids.add(data.get("in_reply_to_user_id"))
        if "referenced_tweets.id.author_id" in self.expansions:
            wanted_ids.update(tweet.get("author_id") for tweet in referenced)
        if "entities.mentions.username" in self.expansions:
            mentions = data.get("entities", {}).get("mentions", ())
            wanted_names.update(mention.get("username") for mention in mentions)
        return [
            _only(self.user_fields, user)
            for user in whole.get("users", ())
            if user.get("id") in wanted_ids or user.get("username") in wanted_names
        ]


def _asked(query: Mapping[str, Collection[str]], parameter: str) -> frozenset[str]:
    names = ",".join(query.get(parameter, ())).split(",")
    return frozenset(name.strip() for name in names) - {""}


def _only(fields: frozenset[str], whole: Payload) -> Payload:
    return {name: value for name, value in whole.items() if name in fields}
