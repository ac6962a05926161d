"""Which fields of a payload a request gets."""

from typing import Any

import pytest

from simulator.fields import Selection


def whole_payload() -> dict[str, Any]:
    return {
        "data": {
            "id": "10",
            "text": "RT @bo: smoke over the harbour…",
            "edit_history_tweet_ids": ["10"],
            "author_id": "1",
            "created_at": "2026-11-01T10:00:00.000Z",
            "lang": "en",
            "source": "X for iPhone",
            "note_tweet": {"text": "the whole text"},
            "referenced_tweets": [{"type": "retweeted", "id": "9"}],
            "entities": {"mentions": [{"username": "cy"}]},
            "attachments": {"media_keys": ["3_1"]},
        },
        "includes": {
            "users": [
                {"id": "1", "name": "Ann", "username": "ann", "verified": True},
                {"id": "2", "name": "Bo", "username": "bo", "verified": False},
                {"id": "3", "name": "Cy", "username": "cy", "verified": False},
            ],
            "tweets": [
                {
                    "id": "9",
                    "text": "smoke over the harbour",
                    "edit_history_tweet_ids": ["9"],
                    "author_id": "2",
                    "lang": "en",
                    "source": "X for Android",
                },
                {"id": "8", "text": "referred to by nothing", "edit_history_tweet_ids": ["8"]},
            ],
            "media": [{"media_key": "3_1", "type": "photo", "url": "https://example.org/p.jpg"}],
        },
        "matching_rules": [{"id": "77", "tag": "harbour"}],
    }


def select(**query: str) -> dict[str, Any]:
    named = {name.replace("__", "."): [value] for name, value in query.items()}
    return Selection.from_query(named).apply(whole_payload())


def test_without_a_query_only_the_default_fields_and_the_rules_come() -> None:
    assert select() == {
        "data": {"id": "10", "text": "RT @bo: smoke over the harbour…", "edit_history_tweet_ids": ["10"]},
        "matching_rules": [{"id": "77", "tag": "harbour"}],
    }


@pytest.mark.parametrize("field", ["note_tweet", "author_id", "created_at", "lang", "referenced_tweets", "entities"])
def test_a_tweet_field_comes_only_when_asked_for(field: str) -> None:
    assert field not in select()["data"]
    assert select(tweet__fields=field)["data"][field] == whole_payload()["data"][field]


def test_fields_are_separated_by_commas() -> None:
    assert select(tweet__fields="lang, created_at")["data"].keys() >= {"lang", "created_at"}


def test_source_never_comes_even_when_asked_for() -> None:
    selected = select(tweet__fields="source", expansions="referenced_tweets.id")
    assert "source" not in selected["data"]
    assert "source" not in selected["includes"]["tweets"][0]


def test_asking_for_fields_of_users_brings_no_users() -> None:
    assert "includes" not in select(user__fields="verified", tweet__fields="author_id")


def test_expanding_the_author_brings_author_id_and_the_author_alone() -> None:
    selected = select(expansions="author_id")
    assert selected["data"]["author_id"] == "1"
    assert selected["includes"] == {"users": [{"id": "1", "name": "Ann", "username": "ann"}]}


def test_user_fields_are_added_to_an_expanded_user() -> None:
    assert select(expansions="author_id", user__fields="verified")["includes"]["users"][0]["verified"] is True


def test_expanding_referenced_posts_brings_those_with_the_asked_fields() -> None:
    selected = select(expansions="referenced_tweets.id", tweet__fields="lang")
    assert selected["data"]["referenced_tweets"] == [{"type": "retweeted", "id": "9"}]
    assert selected["includes"] == {
        "tweets": [
            {"id": "9", "text": "smoke over the harbour", "edit_history_tweet_ids": ["9"], "lang": "en"},
        ]
    }


def test_expanding_the_authors_of_referenced_posts_brings_them() -> None:
    selected = select(expansions="author_id,referenced_tweets.id,referenced_tweets.id.author_id")
    assert [user["username"] for user in selected["includes"]["users"]] == ["ann", "bo"]


def test_expanding_mentions_brings_the_mentioned_users() -> None:
    selected = select(expansions="entities.mentions.username")
    assert [user["username"] for user in selected["includes"]["users"]] == ["cy"]


def test_media_come_with_their_expansion_and_default_fields() -> None:
    assert "includes" not in select(media__fields="url")
    assert select(expansions="attachments.media_keys")["includes"] == {"media": [{"media_key": "3_1", "type": "photo"}]}


def test_errors_beside_the_data_are_kept() -> None:
    payload = {**whole_payload(), "errors": [{"title": "Not Found Error"}]}
    assert Selection.from_query({}).apply(payload)["errors"] == [{"title": "Not Found Error"}]


def test_the_played_payload_is_left_as_it_is() -> None:
    payload = whole_payload()
    Selection.from_query({"expansions": ["author_id"]}).apply(payload)
    assert payload == whole_payload()
