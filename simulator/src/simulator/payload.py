"""A stream payload, and the changes that playing makes to one."""

from dataclasses import dataclass
from typing import Any

Payload = dict[str, Any]
"""One line of the stream as JSON: data, includes, matching_rules, errors."""

_ID_FIELDS = ("id", "conversation_id")
_ID_LIST_FIELDS = ("edit_history_tweet_ids", "edit_history_post_ids")


@dataclass(frozen=True, slots=True)
class Post:
    """A payload on its way to the connections.

    `repeat` marks the second sending of the same post, `opens_new_pass` the first post when the files begin
    again.
    """

    payload: Payload
    repeat: bool = False
    opens_new_pass: bool = False

    @property
    def id(self) -> str:
        """The id of the post itself, data.id."""
        post_id: str = self.payload["data"]["id"]
        return post_id


def with_created_at(payload: Payload, created_at: str) -> Payload:
    """The payload with data.created_at replaced; the given one is left as it is."""
    return {**payload, "data": {**payload["data"], "created_at": created_at}}


def post_ids_in(payload: Payload) -> list[str]:
    """The ids of the posts that a payload brings or refers to, each once."""
    found: dict[str, None] = {}
    for post in _posts_in(payload):
        found.update(dict.fromkeys(post[field] for field in _ID_FIELDS if field in post))
        for field in _ID_LIST_FIELDS:
            found.update(dict.fromkeys(post.get(field, ())))
        found.update(dict.fromkeys(reference["id"] for reference in post.get("referenced_tweets", ())))
    return list(found)


def with_post_ids(payload: Payload, new_ids: dict[str, str]) -> Payload:
    """The payload with every post id of `new_ids` replaced wherever it stands; ids of users stay."""
    renamed = {**payload, "data": _renamed(payload["data"], new_ids)}
    includes = payload.get("includes", {})
    if "tweets" in includes:
        renamed["includes"] = {**includes, "tweets": [_renamed(post, new_ids) for post in includes["tweets"]]}
    return renamed


def _posts_in(payload: Payload) -> list[Payload]:
    return [payload["data"], *payload.get("includes", {}).get("tweets", ())]


def _renamed(post: Payload, new_ids: dict[str, str]) -> Payload:
    renamed = dict(post)
    for field in _ID_FIELDS:
        if field in post:
            renamed[field] = new_ids.get(post[field], post[field])
    for field in _ID_LIST_FIELDS:
        if field in post:
            renamed[field] = [new_ids.get(one, one) for one in post[field]]
    if "referenced_tweets" in post:
        renamed["referenced_tweets"] = [
            {**reference, "id": new_ids.get(reference["id"], reference["id"])}
            for reference in post["referenced_tweets"]
        ]
    return renamed
