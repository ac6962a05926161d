"""Options of the simulator and their mistakes."""

from typing import Any

import pytest

from simulator.arguments import settings_from
from simulator.clock import Clock
from simulator.injection import PostFactory
from simulator.posts_file import PayloadError
from simulator.rate_window import RateWindow
from simulator.rules import Rules
from simulator.settings import Mistake
from simulator.snowflake import SnowflakeIds


@pytest.fixture
def factory() -> PostFactory:
    clock = Clock(now=lambda: 1_793_527_200.0)
    ids = SnowflakeIds(clock)
    return PostFactory(ids, Rules(ids, clock), clock)


def test_the_token_comes_from_the_environment_unless_it_is_given() -> None:
    environment = {"X_BEARER_TOKEN": "from environment"}
    assert settings_from([], environment).bearer_token == "from environment"
    assert settings_from(["--bearer-token", "given"], environment).bearer_token == "given"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--rate 0", "--rate: expected a number above 0, found 0"),
        ("--rate -1", "--rate: expected a number above 0, found -1"),
        ("--rate nan", "--rate: expected a number above 0, found nan"),
        ("--rate fast", "argument --rate: invalid float value: 'fast'"),
        ("--pace recorded --speed 0", "--speed: expected a number above 0"),
        ("--pace slow", "argument --pace: invalid choice"),
        ("--speed 10", "--speed: expected together with --pace recorded"),
        ("--rate 1 --pace recorded", "--rate and --pace: expected one of them"),
        ("--repeat-every 0", "--repeat-every: expected a whole number from 1 up"),
        ("--connections 0", "--connections: expected a whole number from 1 up"),
        ("--max-rules 0", "--max-rules: expected a whole number from 1 up"),
        ("--port 70000", "--port: expected 0 to 65535"),
        ("--keep-alive 0", "--keep-alive: expected a number above 0"),
        ("--write-timeout 0", "--write-timeout: expected a number above 0"),
        ("--project-usage -1", "--project-usage: expected a whole number from 0 up"),
        ("--no-such-option", "unrecognized arguments: --no-such-option"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(options: str, message: str) -> None:
    with pytest.raises(Mistake) as mistake:
        settings_from(options.split(), {"X_BEARER_TOKEN": "t"})
    assert str(mistake.value).startswith(message)
    assert "\n" not in str(mistake.value)


def test_a_missing_token_is_a_mistake() -> None:
    with pytest.raises(Mistake, match="no bearer token"):
        settings_from([], {})


def test_a_bare_text_becomes_a_whole_post(factory: PostFactory) -> None:
    payload = factory.from_text("smoke, see https://example.org/a\n").payload
    data = payload["data"]
    assert data["text"] == "smoke, see https://example.org/a"
    assert data["created_at"] == "2026-11-01T10:00:00.000Z"
    assert data["edit_history_tweet_ids"] == [data["id"]]
    assert payload["includes"]["users"][0]["id"] == data["author_id"]
    assert len(payload["matching_rules"]) == 1
    (url,) = data["entities"]["urls"]
    assert data["text"][url["start"] : url["end"]] == url["expanded_url"] == "https://example.org/a"


def test_a_long_text_is_shortened_and_whole_in_note_tweet(factory: PostFactory) -> None:
    data = factory.from_text("a" * 281).payload["data"]
    assert (len(data["text"]), data["text"][-1]) == (280, "…")
    assert data["note_tweet"] == {"text": "a" * 281}
    assert "note_tweet" not in factory.from_text("a" * 280).payload["data"]


def test_a_given_payload_keeps_what_it_has_and_gets_what_it_lacks(factory: PostFactory) -> None:
    given: dict[str, Any] = {
        "data": {"text": "t", "lang": "de"},
        "matching_rules": [{"id": "5", "tag": "mine"}],
    }
    payload = factory.from_payload(given).payload
    assert payload["matching_rules"] == [{"id": "5", "tag": "mine"}]
    assert payload["data"].keys() == {"id", "text", "lang", "created_at", "edit_history_tweet_ids"}
    assert factory.from_payload({"data": {"id": "42", "text": "t"}}).id == "42"


@pytest.mark.parametrize("value", [None, [], {"data": {}}, {"data": {"text": 1}}])
def test_a_payload_without_a_text_is_refused(factory: PostFactory, value: Any) -> None:
    with pytest.raises(PayloadError):
        factory.from_payload(value)


def test_a_post_of_an_added_rule_names_that_rule() -> None:
    clock = Clock()
    ids = SnowflakeIds(clock)
    rules = Rules(ids, clock)
    added = rules.change({"add": [{"value": "flood", "tag": "water"}]}, dry_run=False).body["data"][0]
    payload = PostFactory(ids, rules, clock).from_text("t").payload
    assert payload["matching_rules"] == [{"id": added["id"], "tag": "water"}]


def test_the_rate_window_counts_down_and_starts_again_after_15_minutes() -> None:
    now = [1000.0]
    window = RateWindow(2, Clock(now=lambda: now[0]))
    remaining = [window.headers()["x-rate-limit-remaining"] for _ in range(3)]
    assert remaining == ["1", "0", "0"]
    now[0] = 1900.0
    assert window.headers() == {
        "x-rate-limit-limit": "2",
        "x-rate-limit-remaining": "1",
        "x-rate-limit-reset": "2800",
    }
