"""Jetstream's messages in the shapes that its servers send (version 1, "Consuming Jetstream")."""

from datetime import UTC, datetime, timedelta
from typing import Any

ANA = "did:plc:eygmaihciaxprqvxpfvl6flk"
BEN = "did:web:ben.example"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RKEY_DIGITS = "234567abcdefghijklmnopqrstuvwxyz"

Message = dict[str, Any]


def time_us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def rkey(number: int) -> str:
    """A record key as servers make them: 13 characters, later ones greater."""
    digits = ""
    for _ in range(10):
        number, digit = divmod(number, 32)
        digits = _RKEY_DIGITS[digit] + digits
    return f"3l3{digits}"


def post(number: int, at: int, text: str = "", did: str = ANA, **record: Any) -> Message:
    """A new post. ``at`` in microseconds since 1970; ``record`` changes or adds fields of its record."""
    created = (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return commit(
        "create",
        at,
        rkey(number),
        did=did,
        cid="bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmgfmucldvhd3sgzcqi",
        record={
            "$type": "app.bsky.feed.post",
            "createdAt": created,
            "langs": ["en"],
            "text": text or f"post {number}: smoke over the hills",
            **record,
        },
    )


def commit(
    operation: str, at: int, key: str, did: str = ANA, collection: str = "app.bsky.feed.post", **beside: Any
) -> Message:
    """A commit of any kind."""
    inner = {"rev": "3l3qo2vutsw2b", "operation": operation, "collection": collection, "rkey": key, **beside}
    return {"did": did, "time_us": at, "kind": "commit", "commit": inner}


def identity(at: int, did: str = ANA) -> Message:
    """A user has another name."""
    about = {"did": did, "handle": "ana.example", "seq": 1409752997, "time": "2026-11-20T08:15:03.870Z"}
    return {"did": did, "time_us": at, "kind": "identity", "identity": about}


def account(at: int, did: str = ANA) -> Message:
    """An account is active, or no longer."""
    about = {"active": True, "did": did, "seq": 1409753013, "time": "2026-11-20T08:15:03.870Z"}
    return {"did": did, "time_us": at, "kind": "account", "account": about}


def external(uri: str) -> Message:
    """The card of a page below a post."""
    card = {"uri": uri, "title": "A page", "description": ""}
    return {"$type": "app.bsky.embed.external", "external": card}


def quote(of: str = f"at://{BEN}/app.bsky.feed.post/3l3qo2vuowo2b") -> Message:
    """Another record embedded: its reference only."""
    return {"$type": "app.bsky.embed.record", "record": {"cid": "bafyreib", "uri": of}}


def link_facet(uri: str) -> Message:
    """A link in the text."""
    return {
        "index": {"byteStart": 0, "byteEnd": 4},
        "features": [{"$type": "app.bsky.richtext.facet#link", "uri": uri}],
    }


def reply_to(uri: str = f"at://{BEN}/app.bsky.feed.post/3l3qo2vuowo2b") -> Message:
    """The field ``reply`` of a post that answers another."""
    reference = {"cid": "bafyreib", "uri": uri}
    return {"parent": reference, "root": reference}
