"""The rules endpoints, without HTTP."""

from typing import Any

import pytest

from simulator.clock import Clock
from simulator.rules import Rules
from simulator.snowflake import SnowflakeIds


@pytest.fixture
def rules() -> Rules:
    clock = Clock(now=lambda: 1_793_527_200.0)
    return Rules(SnowflakeIds(clock), clock)


def add(rules: Rules, *values: str, dry_run: bool = False) -> tuple[int, dict[str, Any]]:
    answer = rules.change({"add": [{"value": value, "tag": f"tag {value}"[:20]} for value in values]}, dry_run=dry_run)
    return answer.status, answer.body


def stored(rules: Rules) -> list[str]:
    return [rule["value"] for rule in rules.page({}).body.get("data", [])]


def test_a_rule_that_is_added_is_answered_with_its_id_and_a_summary(rules: Rules) -> None:
    status, body = add(rules, "flood")
    assert status == 201
    assert body["data"] == [{"id": body["data"][0]["id"], "value": "flood", "tag": "tag flood"}]
    assert body["meta"] == {
        "sent": "2026-11-01T10:00:00.000Z",
        "summary": {"created": 1, "not_created": 0, "valid": 1, "invalid": 0},
    }
    assert "errors" not in body


def test_a_rule_without_a_tag_has_none(rules: Rules) -> None:
    assert rules.change({"add": [{"value": "flood"}]}, dry_run=False).body["data"][0].keys() == {
        "id",
        "value",
    }


def test_a_duplicate_names_the_rule_that_is_there(rules: Rules) -> None:
    _, first = add(rules, "flood")
    status, body = add(rules, "flood")
    assert status == 200
    assert body["errors"] == [
        {
            "value": "flood",
            "id": first["data"][0]["id"],
            "title": "DuplicateRule",
            "type": "https://api.x.com/2/problems/duplicate-rules",
        }
    ]
    assert body["meta"]["summary"] == {"created": 0, "not_created": 1, "valid": 0, "invalid": 1}
    assert stored(rules) == ["flood"]


def test_good_rules_are_created_beside_a_duplicate(rules: Rules) -> None:
    add(rules, "flood")
    status, body = add(rules, "fire", "flood", "fire")
    assert status == 201
    assert body["meta"]["summary"] == {"created": 1, "not_created": 2, "valid": 1, "invalid": 2}
    assert stored(rules) == ["flood", "fire"]


def test_a_value_of_1024_characters_is_good_and_one_more_is_not(rules: Rules) -> None:
    status, body = add(rules, "a" * 1024, "b" * 1025)
    assert status == 201
    assert [rule["value"] for rule in body["data"]] == ["a" * 1024]
    (error,) = body["errors"]
    assert (error["title"], error["value"]) == ("UnprocessableEntity", "b" * 1025)
    assert error["type"].endswith("/problems/invalid-rules")


def test_a_dry_run_answers_and_changes_nothing(rules: Rules) -> None:
    status, body = add(rules, "flood", dry_run=True)
    assert (status, body["meta"]["summary"]["created"]) == (200, 1)
    assert stored(rules) == []
    _, kept = add(rules, "fire")
    answer = rules.change({"delete": {"ids": [kept["data"][0]["id"]]}}, dry_run=True)
    assert answer.body["meta"]["summary"] == {"deleted": 1, "not_deleted": 0}
    assert stored(rules) == ["fire"]


def test_rules_are_deleted_by_id_and_by_value(rules: Rules) -> None:
    _, body = add(rules, "flood", "fire", "quake")
    by_id = rules.change({"delete": {"ids": [body["data"][0]["id"]]}}, dry_run=False)
    by_value = rules.change({"delete": {"values": ["fire"]}}, dry_run=False)
    assert (by_id.status, by_id.body["meta"]["summary"]) == (200, {"deleted": 1, "not_deleted": 0})
    assert by_value.body["meta"]["summary"] == {"deleted": 1, "not_deleted": 0}
    assert stored(rules) == ["quake"]


def test_deleting_a_rule_that_is_not_there_is_counted_and_told(rules: Rules) -> None:
    body = rules.change({"delete": {"ids": ["1"]}}, dry_run=False).body
    assert body["meta"]["summary"] == {"deleted": 0, "not_deleted": 1}
    assert body["errors"][0]["errors"] == [{"message": "Rule does not exist"}]


def test_a_deleted_rule_can_be_added_again(rules: Rules) -> None:
    add(rules, "flood")
    rules.change({"delete": {"values": ["flood"]}}, dry_run=False)
    assert add(rules, "flood")[0] == 201


@pytest.mark.parametrize(
    "request_body",
    [
        None,
        [],
        {},
        {"add": []},
        {"add": [{"tag": "no value"}]},
        {"add": [{"value": " "}]},
        {"add": [{"value": "flood", "tag": 1}]},
        {"delete": {}},
        {"delete": {"ids": "1"}},
        {"delete": {"ids": [1]}},
        {"add": [{"value": "flood"}], "delete": {"ids": ["1"]}},
    ],
)
def test_a_body_that_says_nothing_clear_is_a_400(rules: Rules, request_body: Any) -> None:
    answer = rules.change(request_body, dry_run=False)
    assert (answer.status, answer.body["title"]) == (400, "Invalid Request")
    assert stored(rules) == []


def test_more_than_a_thousand_rules_are_refused_as_a_whole(rules: Rules) -> None:
    assert add(rules, *(f"rule {number}" for number in range(999)))[0] == 201
    status, body = add(rules, "one", "two")
    assert (status, body["type"]) == (400, "https://api.x.com/2/problems/rule-cap")
    assert len(stored(rules)) == 999


def test_all_rules_are_deleted_at_once(rules: Rules) -> None:
    add(rules, "flood", "fire")
    assert rules.delete_all(dry_run=True).body["meta"]["summary"] == {"deleted": 2, "not_deleted": 0}
    assert stored(rules) == ["flood", "fire"]
    assert rules.delete_all(dry_run=False).body["meta"]["summary"] == {"deleted": 2, "not_deleted": 0}
    assert stored(rules) == []


def test_a_higher_limit_is_paged_by_a_thousand() -> None:
    clock = Clock(now=lambda: 1_793_527_200.0)
    rules = Rules(SnowflakeIds(clock), clock, limit=2500)
    values = [f"rule {number}" for number in range(2500)]
    assert add(rules, *values)[0] == 201
    assert add(rules, "one more")[1]["detail"].endswith("the limit of 2500 rules.")
    found: list[str] = []
    query: dict[str, list[str]] = {}
    for count in (1000, 1000, 500):
        body = rules.page(query).body
        assert body["meta"]["result_count"] == count
        found += [rule["value"] for rule in body["data"]]
        query["pagination_token"] = [body["meta"].get("next_token", "")]
    assert found == values


def test_no_rules_give_no_data(rules: Rules) -> None:
    answer = rules.page({})
    assert (answer.status, answer.body) == (
        200,
        {"meta": {"sent": "2026-11-01T10:00:00.000Z", "result_count": 0}},
    )


def test_pages_together_hold_every_rule_once(rules: Rules) -> None:
    values = [f"rule {number}" for number in range(5)]
    add(rules, *values)
    found: list[str] = []
    query = {"max_results": ["2"]}
    for expected_count in (2, 2, 1):
        body = rules.page(query).body
        assert body["meta"]["result_count"] == expected_count
        found += [rule["value"] for rule in body["data"]]
        query["pagination_token"] = [body["meta"].get("next_token", "")]
    assert found == values
    assert query["pagination_token"] == [""]


def test_rules_are_found_by_their_ids(rules: Rules) -> None:
    _, body = add(rules, "flood", "fire")
    page = rules.page({"ids": [body["data"][1]["id"]]}).body
    assert [rule["value"] for rule in page["data"]] == ["fire"]


@pytest.mark.parametrize("query", [{"max_results": ["0"]}, {"max_results": ["1001"]}, {"pagination_token": ["x"]}])
def test_a_page_that_cannot_be_is_a_400(rules: Rules, query: dict[str, list[str]]) -> None:
    assert rules.page(query).status == 400
