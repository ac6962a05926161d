"""Messages for tests: whole and plausible; each test says only what matters to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from pipeline.contracts import (
    VERSION,
    Alert,
    Author,
    Delivery,
    DeliveryKind,
    LabelScore,
    Message,
    Notice,
    Post,
    Severity,
    encode,
)
from pipeline.queue_reader import ReceivedMessage

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)


def a_post(id_: str = "x:1", **changes: Any) -> Post:
    post = Post(
        v=VERSION,
        id=id_,
        source="x",
        text="Strong shaking in Valparaíso",
        author=Author(id="7", username="ana", name="Ana", followers=120),
        url="https://x.com/ana/status/1",
        created_at=NOW - timedelta(seconds=3),
        received_at=NOW,
        trace_id="trace-1",
    )
    return msgspec.structs.replace(post, **changes)


def an_alert(*labels: str, post: Post | None = None) -> Alert:
    """An alert for these labels, the first with the best score."""
    scores = [LabelScore(name=name, score=round(0.9 - index / 100, 2)) for index, name in enumerate(labels)]
    return Alert(v=VERSION, post=post or a_post(), labels=scores, scores=scores, model="minilm", classified_at=NOW)


def a_notice(**changes: Any) -> Notice:
    notice = Notice(
        v=VERSION, kind="silent", service="stream-getter", severity=Severity.WARNING, text="no posts", at=NOW
    )
    return msgspec.structs.replace(notice, **changes)


def a_delivery(id_: str = "x:1/first/desk", **changes: Any) -> Delivery:
    delivery = Delivery(
        v=VERSION,
        id=id_,
        story_id="x:1",
        kind=DeliveryKind.FIRST,
        channel="desk",
        labels=[LabelScore(name="earthquake", score=0.9123)],
        post=a_post(),
        first_seen=NOW,
        last_seen=NOW,
        expires_at=NOW + timedelta(days=1),
        trace_id="trace-1",
    )
    return msgspec.structs.replace(delivery, **changes)


def received(content: Message | str, id_: str = "m-1") -> ReceivedMessage:
    """A message as a reader hands it out."""
    body = content if isinstance(content, str) else encode(content)
    return ReceivedMessage(id=id_, body=body, receipt_handle=f"receipt-{id_}", receive_count=1, attributes={})
