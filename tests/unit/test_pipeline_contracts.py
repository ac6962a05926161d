"""Messages survive the road, old and new services understand each other, and what is no message is told apart."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pipeline.contracts import (
    VERSION,
    Alert,
    Author,
    Delivery,
    DeliveryKind,
    LabelScore,
    MatchedRule,
    Notice,
    Post,
    Severity,
    decode_alert_or_notice,
    decode_delivery,
    decode_post,
    encode,
)
from pipeline.errors import ContractError

NOW = datetime(2026, 10, 3, 12, 30, 0, 123456, tzinfo=UTC)

POST = Post(
    v=1,
    id="x:1790000000000000001",
    source="x",
    text='Water\tis rising \u2028 "fast" \U0001f30a\u202e',
    created_at=NOW,
    received_at=NOW + timedelta(seconds=1),
    trace_id="t-1",
    quoted_text="quoted",
    author=Author(id="7", username="ada", name="Ada", followers=0),
    url="https://x.com/ada/status/1790000000000000001",
    links=["https://example.org/a"],
    lang="en",
    rules=[MatchedRule(id="11", tag="water")],
    repost_of="x:1",
    edit_of="x:2",
)
BARE_POST = Post(v=1, id="x:1", source="x", text="", created_at=NOW, received_at=NOW, trace_id="t")
FLOOD = LabelScore(name="flood", score=0.875)
ALERT = Alert(
    v=1, post=POST, labels=[FLOOD], scores=[FLOOD, LabelScore(name="fire", score=0.0)], model="m", classified_at=NOW
)
NOTICE = Notice(
    v=1, kind="heartbeat", service="classifier", severity=Severity.WARNING, text="all well", at=NOW, figures={"a": 1.5}
)
BARE_NOTICE = Notice(v=1, kind="k", service="s", severity=Severity.INFO, text="t", at=NOW)
DELIVERY = Delivery(
    v=1,
    id="d-1",
    story_id="s-1",
    kind=DeliveryKind.UPDATE,
    channel="desk",
    first_seen=NOW,
    last_seen=NOW,
    expires_at=NOW + timedelta(days=1),
    trace_id="t-1",
    labels=[FLOOD],
    post=POST,
    text="words",
    posts=3,
    authors=2,
    links=["https://example.org/a"],
    attempt=4,
    not_before=NOW + timedelta(hours=1),
)
BARE_DELIVERY = Delivery(
    v=1,
    id="d",
    story_id="",
    kind=DeliveryKind.NOTICE,
    channel="c",
    first_seen=NOW,
    last_seen=NOW,
    expires_at=NOW,
    trace_id="t",
)


def changed(message: Any, **fields: object) -> str:
    """The message as JSON with fields set to something else; ... takes a field out."""
    document = json.loads(encode(message)) | fields
    return json.dumps({name: value for name, value in document.items() if value is not ...})


@pytest.mark.parametrize("post", [POST, BARE_POST])
def test_a_post_comes_back_as_it_was_sent(post: Post) -> None:
    assert decode_post(encode(post)) == post


@pytest.mark.parametrize("message", [ALERT, NOTICE, BARE_NOTICE])
def test_what_the_alerts_queue_carries_comes_back_as_it_was_sent(message: Alert | Notice) -> None:
    assert decode_alert_or_notice(encode(message)) == message


@pytest.mark.parametrize("delivery", [DELIVERY, BARE_DELIVERY])
def test_a_delivery_comes_back_as_it_was_sent(delivery: Delivery) -> None:
    assert decode_delivery(encode(delivery)) == delivery


@pytest.mark.parametrize(
    ("message", "kind"), [(BARE_POST, "post"), (ALERT, "alert"), (NOTICE, "notice"), (DELIVERY, "delivery")]
)
def test_each_message_says_its_type_and_version(message: Any, kind: str) -> None:
    document = json.loads(encode(message))
    assert (document["type"], document["v"]) == (kind, VERSION)


def test_defaults_are_not_sent() -> None:
    assert set(json.loads(encode(BARE_POST))) == {
        *("type", "v", "id", "source", "text", "created_at", "received_at", "trace_id")
    }


def test_unknown_fields_are_ignored() -> None:
    post = changed(BARE_POST, mood="glad", author={"id": "7", "verified": True}, nested={"a": [1, {"b": None}]})
    assert decode_post(post) == msgspec.structs.replace(BARE_POST, author=Author(id="7"))


def test_missing_optional_fields_are_defaulted() -> None:
    post = decode_post(changed(BARE_POST))
    assert (post.quoted_text, post.author, post.links, post.rules, post.lang) == ("", Author(), [], [], "")
    assert post.author.followers is None
    delivery = decode_delivery(changed(BARE_DELIVERY))
    assert (delivery.attempt, delivery.posts, delivery.authors, delivery.post) == (1, 1, 1, None)


def test_the_label_of_a_delivery_is_its_best_one() -> None:
    assert (DELIVERY.label, BARE_DELIVERY.label) == ("flood", "")


@pytest.mark.parametrize("field", ["v", "id", "source", "text", "created_at", "received_at", "trace_id"])
def test_a_post_without_a_required_field_is_refused(field: str) -> None:
    with pytest.raises(ContractError, match=f"missing required field `{field}`"):
        decode_post(changed(POST, **{field: ...}))


def test_another_version_is_refused_and_named() -> None:
    with pytest.raises(ContractError, match="expected a message of version 1, got version 2"):
        decode_post(changed(POST, v=2))


def test_another_version_within_a_message_is_refused() -> None:
    with pytest.raises(ContractError, match="got version 2"):
        decode_alert_or_notice(changed(ALERT, post=json.loads(changed(POST, v=2))))


def test_another_type_is_refused() -> None:
    with pytest.raises(ContractError, match="Invalid value 'post'"):
        decode_delivery(encode(POST))
    with pytest.raises(ContractError, match="Invalid value 'post'"):
        decode_alert_or_notice(encode(POST))
    with pytest.raises(ContractError, match="Invalid value 'notice'"):
        decode_post(encode(NOTICE))


@pytest.mark.parametrize(
    "body",
    [
        *("", " ", "null", "[]", "42", '"post"', "{", "not JSON", "NaN"),
        encode(POST)[:-1],
        encode(POST) + "}",
        changed(POST, id=7),
        changed(POST, v="1"),
        changed(POST, created_at="yesterday"),
        changed(POST, links="https://example.org"),
        changed(POST, author=None),
    ],
)
def test_what_is_no_post_is_refused(body: str) -> None:
    with pytest.raises(ContractError):
        decode_post(body)


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "\\ud83d text", "\\ud800\\u0041"])
def test_a_lone_surrogate_escape_is_refused(escape: str) -> None:
    with pytest.raises(ContractError):
        decode_post(encode(BARE_POST).replace('"text":""', f'"text":"{escape}"'))


def test_a_lone_surrogate_in_the_body_itself_is_refused() -> None:
    with pytest.raises(ContractError):
        decode_post(encode(BARE_POST).replace('"text":""', '"text":"\ud800"'))


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ContractError, match="received_at"):
        decode_post(changed(POST, received_at="2026-10-03T12:30:00"))


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(ContractError):
        decode_post('{"unknown":' + "[" * 100_000)


def test_an_alert_with_a_label_that_is_no_number_names_the_place() -> None:
    with pytest.raises(ContractError, match=r"\$\.labels\[0\]\.score"):
        decode_alert_or_notice(changed(ALERT, labels=[{"name": "flood", "score": "high"}]))
