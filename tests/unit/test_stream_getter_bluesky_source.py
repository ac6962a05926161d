"""The source bluesky as it is built: its settings, its filter, and the mistakes in them."""

import random
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pipeline.alerts_config import Rule
from pipeline.contracts import MatchedRule
from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from pipeline.state_store import MemoryStateStore
from stream_getter.bluesky.filter import Filter, unknowable
from stream_getter.bluesky.source import build
from stream_getter.matching.candidate import Candidate
from stream_getter.matching.rules import RuleSet
from stream_getter.metrics import Metrics
from stream_getter.notices import Notices
from stream_getter.source import Source, Surroundings
from tests.support.examples import a_post

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
CONFIG = """
labels: [{name: fire, threshold: 0.5}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""


def built(environ: Mapping[str, str]) -> Source:
    return build(
        Surroundings(
            environ={"AWS_REGION": "us-east-1", **environ},
            metrics=Metrics(CollectorRegistry()),
            stopping=threading.Event(),
            state=MemoryStateStore(lambda: NOW),
            notices=Notices(None, lambda: NOW),
            occasionally=OccasionalLog(),
            now=lambda: NOW,
            new_trace_id=lambda: "trace-1",
            rng=random.Random(1),
        )
    )


def test_nothing_must_be_set() -> None:
    source = built({})
    assert source.trouble() == "not connected yet"
    assert source.silence_seconds < 25


@pytest.mark.parametrize(
    "urls",
    [
        " ",
        "jetstream1.us-east.bsky.network",
        "https://jetstream1.us-east.bsky.network/subscribe",
        "wss://jetstream.us-east.bsky.network/xrpc/network.bsky.jetstream.subscribeEvents",
        "wss://a.example/subscribe?cursor=1",
        "wss://a.example/subscribe,wss://b.example/subscribe,",
        "wss://a.example:99999/subscribe",
        f"wss://{'a' * 70}.example/subscribe",
    ],
)
def test_addresses_that_cannot_be_are_refused(urls: str) -> None:
    with pytest.raises(UserMistake, match=r"^environment: BLUESKY_URLS: expected .*, got ") as raised:
        built({"BLUESKY_URLS": urls})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", ["subscribe", "elsewhere"])
def test_an_address_with_a_password_is_refused_and_not_repeated(path: str) -> None:
    with pytest.raises(UserMistake, match=r"^environment: BLUESKY_URLS: expected .* without a user") as raised:
        built({"BLUESKY_URLS": f"wss://a.example/subscribe wss://ana:hunter2@b.example/{path}"})
    assert "hunter2" not in str(raised.value)
    assert "ana" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BLUESKY_REWIND_SECONDS", "-1"),
        ("BLUESKY_REWIND_OTHER_HOST_SECONDS", "200000"),
        ("BLUESKY_STALL_SECONDS", "0"),
        ("BLUESKY_SAVE_SECONDS", "soon"),
        ("BLUESKY_WORDS", "fire,,flood"),
        ("BLUESKY_LANGS", "en,"),
        ("BLUESKY_LANGS", "english"),
    ],
)
def test_other_mistakes_name_their_variable(variable: str, value: str) -> None:
    with pytest.raises(UserMistake, match=f"^environment: {variable}: expected .*, got '{value}'"):
        built({variable: value})


def test_rules_come_from_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(CONFIG + "rules: [{value: fire}, {value: 'fire from:ana', tag: ana}]\n")
    with pytest.raises(UserMistake) as raised:
        built({"ALERTS_CONFIG": str(path)})
    assert str(raised.value) == (
        f"{path}: rules[1].value: expected a DID such as from:did:plc:ewvi7nxzyoun6zhxrhs64oiz, for the stream of "
        "Bluesky has no names of users, got 'from:ana' at character 6"
    )
    path.write_text(CONFIG + "rules: []\n")
    with pytest.raises(UserMistake, match="rules: expected at least one rule for Bluesky, or no list for all posts"):
        built({"ALERTS_CONFIG": str(path)})
    path.write_text(CONFIG)
    assert built({"ALERTS_CONFIG": str(path)})


def test_without_rules_words_or_languages_all_is_wanted() -> None:
    everything = Filter(RuleSet([], "rules"), "", " ")
    post = a_post(text="anything")
    assert everything.wanted(Candidate(post)) == post


def test_words_and_languages_narrow() -> None:
    some = Filter(RuleSet([], "rules"), "fire, Power Outage", "en,pt")
    wanted = [
        ("a fire", "en"),
        ("power outage", "pt-BR"),
        ("power, outage", "en"),
        ("fire", "de"),
        ("fire", ""),
        ("flood", "en"),
    ]
    assert [some.wanted(Candidate(a_post(text=text, lang=lang))) is not None for text, lang in wanted] == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_rules_narrow_beside_them_and_are_named() -> None:
    some = Filter(RuleSet([Rule(value="near", tag="close")], "rules", unknowable), "fire", "")
    matched = some.wanted(Candidate(a_post(text="fire near")))
    assert matched is not None
    assert matched.rules == [MatchedRule(id="close", tag="close")]
    assert some.wanted(Candidate(a_post(text="near"))) is None
    assert some.wanted(Candidate(a_post(text="fire"))) is None


def test_an_author_is_known_by_id_only() -> None:
    assert unknowable("from", "did:plc:abc") is None
    assert unknowable("from", "ana.bsky.social")
    assert unknowable("lang", "en") is None
