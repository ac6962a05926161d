"""The messages that travel between the services, as JSON.

Every message carries ``type`` and ``v``. Unknown fields are ignored and missing optional ones defaulted, so that
services can be deployed one at a time; a change that an older service would misread raises ``VERSION``, and a reader
puts a version it does not know into the dead letters. `docs/contracts.schema.json` is generated from this module.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec

from pipeline.errors import ContractError

VERSION = 1

T = TypeVar("T")

#: A time with an offset: one without could not be compared with those that have one.
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What all messages share. ``v`` is written even where it is the default."""

    v: int

    def __post_init__(self) -> None:
        if self.v != VERSION:
            raise ValueError(f"expected a message of version {VERSION}, got version {self.v}")


class Author(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who wrote a post, as far as the source tells. ``followers`` is None where it is unknown."""

    id: str = ""
    username: str = ""
    name: str = ""
    followers: int | None = None


class MatchedRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule of the source that let the post through."""

    id: str = ""
    tag: str = ""


class Post(Message, frozen=True, kw_only=True, omit_defaults=True, tag="post"):
    """One post of any source.

    ``id`` is unique across sources (``x:1790…``, ``bluesky:at://…``). ``text`` is the whole text, of a repost that of
    the original, cleaned of characters that SQS refuses. Times are UTC. ``repost_of`` and ``edit_of`` are ids.
    """

    id: str
    source: str
    text: str
    created_at: Time
    received_at: Time
    trace_id: str
    quoted_text: str = ""
    author: Author = Author()
    url: str = ""
    links: list[str] = []
    lang: str = ""
    rules: list[MatchedRule] = []
    repost_of: str = ""
    edit_of: str = ""


class LabelScore(msgspec.Struct, frozen=True, kw_only=True):
    """A label and how sure the model is of it, from 0 to 1."""

    name: str
    score: float


class Alert(Message, frozen=True, kw_only=True, omit_defaults=True, tag="alert"):
    """A post about one label or more: ``labels`` are those that passed their thresholds, ``scores`` all; best first."""

    post: Post
    labels: list[LabelScore]
    scores: list[LabelScore]
    model: str
    classified_at: Time


class Severity(StrEnum):
    """How urgent a Notice is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Notice(Message, frozen=True, kw_only=True, omit_defaults=True, tag="notice"):
    """Something that the system says about itself. It travels on the alerts queue and reaches the ops route."""

    kind: str
    service: str
    severity: Severity
    text: str
    at: Time
    figures: dict[str, float] = {}


class DeliveryKind(StrEnum):
    """Why a channel is told: the first post of a story, its growth, a digest, a spike, or a Notice."""

    FIRST = "first"
    UPDATE = "update"
    DIGEST = "digest"
    SPIKE = "spike"
    NOTICE = "notice"


class Delivery(Message, frozen=True, kw_only=True, omit_defaults=True, tag="delivery"):
    """One notification for one channel.

    ``id`` is the same for every repeat of the same notification, so that a channel is told once. ``post`` is the
    headline post (absent for a Notice, whose words are in ``text``). ``labels`` are those that led here, best first.
    The delivery is not tried before ``not_before`` and no more after ``expires_at``; ``attempt`` counts from 1.
    """

    id: str
    story_id: str
    kind: DeliveryKind
    channel: str
    first_seen: Time
    last_seen: Time
    expires_at: Time
    trace_id: str
    labels: list[LabelScore] = []
    post: Post | None = None
    text: str = ""
    posts: int = 1
    authors: int = 1
    links: list[str] = []
    attempt: int = 1
    not_before: Time | None = None

    @property
    def label(self) -> str:
        """The name of the best label; empty for a Notice."""
        return self.labels[0].name if self.labels else ""


_encoder = msgspec.json.Encoder()
_post_decoder = msgspec.json.Decoder(Post)
_alert_or_notice_decoder: msgspec.json.Decoder[Alert | Notice] = msgspec.json.Decoder(Alert | Notice)
_delivery_decoder = msgspec.json.Decoder(Delivery)


def encode(message: Message) -> str:
    """The message as JSON text."""
    return _encoder.encode(message).decode()


def decode_post(body: str) -> Post:
    """The Post in a message of the posts queue. Raises ContractError."""
    return _decoded(_post_decoder, body)


def decode_alert_or_notice(body: str) -> Alert | Notice:
    """The Alert or Notice in a message of the alerts queue. Raises ContractError."""
    return _decoded(_alert_or_notice_decoder, body)


def decode_delivery(body: str) -> Delivery:
    """The Delivery in a message of the deliveries queue. Raises ContractError."""
    return _decoded(_delivery_decoder, body)


def _decoded(decoder: msgspec.json.Decoder[T], body: str) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise ContractError(str(error)) from error
