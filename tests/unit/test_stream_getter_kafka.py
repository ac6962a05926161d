"""The source kafka's parts that need no broker: field map, records, offsets, settings."""

import json
import threading
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import pytest

from pipeline.contracts import encode
from pipeline.errors import UserMistake
from pipeline.settings import read_settings
from stream_getter.contract_json import ID_LIMIT, NotAPost
from stream_getter.kafka.fields import FieldMap
from stream_getter.kafka.offsets import Offsets
from stream_getter.kafka.records import RECORD_LIMIT, parse_record
from stream_getter.kafka.settings import KafkaSettings
from tests.support.examples import a_post

NOW = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)
SERVERS = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "KAFKA_TOPIC": "posts"}


class Record(NamedTuple):
    """As kafka-python's, which is a class of its own."""

    value: bytes | None
    timestamp: int = 1795590476156
    topic: str = "posts"
    partition: int = 3
    offset: int = 7


def parse(document: Any, fields: str = "text=body id=id") -> Any:
    value = document if isinstance(document, bytes | None) else json.dumps(document).encode()
    return parse_record(cast(Any, Record(value)), FieldMap.parsed(fields) if fields else None, NOW, lambda: "trace-new")


def kind_of(document: Any, fields: str = "text=body id=id") -> str:
    with pytest.raises(NotAPost) as caught:
        parse(document, fields)
    return caught.value.kind


def test_a_field_map_finds_what_lies_deep() -> None:
    fields = (
        "id=meta.id text=body.0.plain quoted_text=q created_at=ts lang=l url=u "
        "author.id=user.id author.username=user.nick author.name=user.name author.followers=user.fans"
    )
    user = {"id": 9, "nick": "ana", "name": "Ana", "fans": 12}
    document = {"meta": {"id": 5}, "body": [{"plain": "fire"}], "q": "so?", "l": "en", "u": "https://e/5", "user": user}
    post = parse(document | {"ts": 1795590000}, fields)
    assert (post.id, post.text, post.quoted_text, post.lang, post.url) == (
        "kafka:5",
        "fire",
        "so?",
        "en",
        "https://e/5",
    )
    assert (post.author.id, post.author.username, post.author.name, post.author.followers) == ("9", "ana", "Ana", 12)
    assert (post.source, post.trace_id, post.received_at) == ("kafka", "trace-new", NOW)
    assert post.created_at == datetime.fromtimestamp(1795590000, UTC)


@pytest.mark.parametrize(
    "told",
    [
        "2026-11-20T08:15:03Z",
        "2026-11-20T09:15:03+01:00",
        "2026-11-20T08:15:03",
        1795162503,
        1795162503000,
        1795162503000000,
        1795162503000000000,
        "1795162503",
        1795162503.0,
    ],
)
def test_times_are_read_in_every_usual_form(told: Any) -> None:
    post = parse({"body": "fire", "ts": told}, "text=body created_at=ts")
    assert post.created_at == datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "told", ["yesterday", "", None, True, [], {}, 10**400, 1e308, "9" * 5000, "0001-01-01T00:00:00+23:00"]
)
def test_a_time_that_cannot_be_read_is_that_of_the_record(told: Any) -> None:
    post = parse({"body": "fire", "ts": told}, "text=body created_at=ts")
    assert post.created_at == datetime.fromtimestamp(1795590476.156, UTC)


@pytest.mark.parametrize("id_", [None, "", [], {}, True, 1.5, 10**400])
def test_a_record_without_an_id_of_its_own_has_that_of_its_place(id_: Any) -> None:
    assert parse({"body": "fire", "id": id_}).id == "kafka:posts/3/7"


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (None, "no value"),
        (b"\xff", "not UTF-8"),
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * (RECORD_LIMIT + 1), "too long"),
        ({}, "no text"),
        ([], "no text"),
        ("fire", "no text"),
        ({"body": 5}, "no text"),
        ({"body": "  "}, "no text"),
        ({"body": "fire", "id": "i" * ID_LIMIT}, "bad id"),
    ],
)
def test_what_is_no_post_has_a_kind(document: Any, kind: str) -> None:
    assert kind_of(document) == kind


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"id": "x:1"}', encode(a_post()).encode().replace(b'"v":1', b'"v":9')],
)
def test_without_a_field_map_only_the_contract_is_read(value: bytes) -> None:
    assert kind_of(value, "") in {"not UTF-8", "not of the contract"}


def test_a_reason_holds_nothing_of_the_record() -> None:
    foreign = b'{"type": "somebody\'s words - at `home`", "v": 1}'
    with pytest.raises(NotAPost) as caught:
        parse(foreign, "")
    assert str(caught.value) == "not of the contract: an unknown value - at `$.type`"


def test_lone_surrogates_and_refused_characters_are_replaced() -> None:
    assert parse(b'{"body": "a \\ud83d b \\u0000"}').text == "a \ufffd b \ufffd"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("id=x", "a field for text"),
        ("text", "the path of a field behind text="),
        ("text=a..b", "the path of a field behind text="),
        ("text=a text=b", "each field once"),
        ("body=text", "pairs such as text=body"),
    ],
)
def test_a_mistake_in_a_field_map_is_told_in_one_line(fields: str, said: str) -> None:
    with pytest.raises(UserMistake) as caught:
        FieldMap.parsed(fields)
    message = str(caught.value)
    assert message.startswith("environment: KAFKA_FIELDS: expected ")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka"),
        ("KAFKA_BOOTSTRAP_SERVERS", "http://kafka:9092"),
        ("KAFKA_TOPIC", "a b"),
        ("KAFKA_START", "first"),
        ("KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
    ],
)
def test_settings_that_cannot_be_are_told(name: str, value: str) -> None:
    with pytest.raises(UserMistake, match=f"^environment: {name}: expected .*, got "):
        read_settings(KafkaSettings, SERVERS | {name: value})


def test_several_brokers_may_be_named() -> None:
    settings = read_settings(KafkaSettings, SERVERS | {"KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2, c:3"})
    assert settings.kafka_bootstrap_servers == "a:1,b:2, c:3"


class TestOffsets:
    """Partitions stand here as plain tuples: nothing else is asked of them."""

    one: Any = ("posts", 0)
    other: Any = ("posts", 1)

    def test_only_what_has_nothing_unsettled_before_it_is_due(self) -> None:
        offsets = Offsets()
        first, second = offsets.arrived(self.one, 4), offsets.arrived(self.one, 5)
        offsets.passed(self.one, 6)
        second()
        assert offsets.due() == {}
        first()
        assert offsets.due() == {self.one: 7}
        offsets.committed({self.one: 7})
        assert offsets.due() == {}

    def test_what_is_settled_after_a_partition_went_is_never_due(self) -> None:
        offsets = Offsets()
        late, stays = offsets.arrived(self.one, 0), offsets.arrived(self.other, 0)
        offsets.give_up([self.one, self.other])
        late()
        stays()
        assert offsets.due() == {}
        offsets.keep([self.other])
        assert offsets.due() == {self.other: 1}

    def test_a_record_that_comes_again_is_settled_by_the_first_that_came(self) -> None:
        offsets = Offsets()
        first = offsets.arrived(self.one, 0)
        offsets.forget()
        again, following = offsets.arrived(self.one, 0), offsets.arrived(self.one, 1)
        # the forwarder takes it for a repeat of what is still under way
        again()
        following()
        assert offsets.due() == {}
        first()
        assert offsets.due() == {self.one: 2}

    def test_a_wait_ends_as_soon_as_all_is_settled(self) -> None:
        offsets = Offsets()
        settle = offsets.arrived(self.one, 0)
        assert not offsets.wait_until_settled([self.one], 0.001)
        assert offsets.wait_until_settled([self.other], 0.001)
        threading.Thread(target=settle).start()
        assert offsets.wait_until_settled([self.one], 30.0)
