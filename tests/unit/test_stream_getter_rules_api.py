"""X's answers to changes of rules, as its documents and its real answers have them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.errors import Unavailable
from stream_getter.x.rules.api import RulesApi, Verdicts
from stream_getter.x.rules.calls import CapExceeded, Refused, problem_in_words
from stream_getter.x.rules.plan import RuleAtX
from stream_getter.x.rules.wanted import Wanted

A, B, C, D = (Wanted(value, "tweet-alerts/") for value in "abcd")
INVALID = "https://api.x.com/2/problems/invalid-rules"


class Calls:
    """Answers from a list: documents, or errors to raise. ``asked`` are the requests."""

    place = "http://x"
    knows_rate_limit = True

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.unstoppable = False
        self.more_follows: list[bool] = []
        self.asked: list[tuple[dict[str, str], Any]] = []

    def reserve(self, changes: int) -> None:
        self.asked.append(({}, f"reserve {changes}"))

    def call(
        self,
        _method: str,
        query: Mapping[str, str],
        body: Any = None,
        *,
        unstoppable: bool = False,
        more_follows: bool = False,
    ) -> bytes:
        self.asked.append((dict(query), body))
        self.unstoppable = unstoppable
        self.more_follows.append(more_follows)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def api(calls: Calls) -> RulesApi:
    return RulesApi(calls)  # type: ignore[arg-type]


def created(*rules: Wanted) -> dict[str, Any]:
    return {"data": [{"id": f"id-{rule.value}", "value": rule.value, "tag": rule.tag} for rule in rules]}


def refused(*rules: Wanted) -> dict[str, Any]:
    errors = [
        {"value": rule.value, "details": ["no"], "title": "UnprocessableEntity", "type": INVALID} for rule in rules
    ]
    return {"meta": {"summary": {"created": 0, "not_created": len(rules)}}, "errors": errors}


def test_rules_are_read_to_the_last_page() -> None:
    calls = Calls(
        {"data": [{"id": "1", "value": "a", "tag": "t"}], "meta": {"next_token": "n", "sent": "…"}},
        {"data": [{"id": 2, "value": "b", "new": {}}], "meta": {"result_count": 1}},
    )
    assert api(calls).rules() == [RuleAtX("1", "a", "t"), RuleAtX("2", "b", "")]
    assert [query for query, _ in calls.asked] == [
        {"max_results": "1000"},
        {"max_results": "1000", "pagination_token": "n"},
    ]


def test_no_rules_are_an_answer_without_data() -> None:
    assert api(Calls({"meta": {"sent": "…"}})).rules() == []


def test_pages_without_end_come_to_one() -> None:
    page = {"data": [{"id": "1", "value": "a"}], "meta": {"next_token": "same"}}
    with pytest.raises(Unavailable, match="pages of rules that come to an end"):
        api(Calls(*[page] * 3)).rules()


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"data": 7}', b'{"data": [{"id": "1"}]}', b"\xff", b"[" * 100_000]
)
def test_an_answer_that_is_not_xs_is_one_line(answer: bytes) -> None:
    with pytest.raises(Refused) as caught:
        api(Calls(answer)).rules()
    assert str(caught.value).startswith("environment: X_API_URL: expected the address of X's API, got http://x, ")
    assert "\n" not in str(caught.value)


def test_a_dry_run_is_asked_for_as_one() -> None:
    calls = Calls(created(A), created(A))
    api(calls).add([A], dry_run=True)
    api(calls).add([A])
    body = {"add": [{"value": "a", "tag": "tweet-alerts/"}]}
    assert calls.asked == [({"dry_run": "true"}, body), ({}, body)]


def test_each_rule_gets_its_own_verdict() -> None:
    answer = created(A) | {
        "errors": [
            *refused(B)["errors"],
            {
                "value": " c ",
                "id": "9",
                "title": "DuplicateRule",
                "type": "https://api.x.com/2/problems/duplicate-rules",
            },
        ]
    }
    assert api(Calls(answer)).add([A, B, C]) == Verdicts({"a"}, {"c"}, {"b": "UnprocessableEntity: no"})


def test_where_one_rule_spoils_the_others_they_are_sent_again_without_it() -> None:
    calls = Calls(refused(B), created(A, C))
    assert api(calls).add([A, B, C]) == Verdicts({"a", "c"}, set(), {"b": "UnprocessableEntity: no"})
    assert [rule["value"] for rule in calls.asked[1][1]["add"]] == ["a", "c"]


def test_where_x_does_not_say_which_rule_it_is_halves_tell() -> None:
    spoilt = Refused("http://x: expected X to take the request, got HTTP 400: Invalid Request")
    # all, the first half, the second half, its halves
    calls = Calls(spoilt, created(A, B), spoilt, spoilt, created(D))
    verdicts = api(calls).add([A, B, C, D])
    assert (verdicts.accepted, list(verdicts.refused)) == ({"a", "b", "d"}, ["c"])


def test_an_error_without_a_value_is_about_the_only_rule() -> None:
    error = {"errors": [{"message": "no such operator"}], "meta": {"summary": {}}}
    assert api(Calls(error)).add([A]).refused == {"a": "no such operator"}


def test_too_many_rules_are_no_fault_of_one_of_them() -> None:
    with pytest.raises(CapExceeded):
        api(Calls(CapExceeded("full"))).add([A, B])


def test_xs_words_are_harmless() -> None:
    answer = refused(A)
    answer["errors"][0]["details"] = ["\x1b[31mred\u202e\nline", 7]
    assert api(Calls(answer)).add([A]).refused == {"a": "UnprocessableEntity: red line"}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"title": "Unauthorized", "detail": "Unauthorized", "status": 401}, "Unauthorized"),
        (
            {"title": "Invalid Request", "detail": "d", "errors": [{"message": "m"}, {"message": "n"}]},
            "Invalid Request: d: m: n",
        ),
        ({"errors": "x"}, '{"errors": "x"}'),
        (["a"], '["a"]'),
    ],
)
def test_a_problem_in_words(document: Any, words: str) -> None:
    assert problem_in_words(document) == words


def test_rules_are_deleted_by_their_ids_and_one_that_is_gone_is_no_trouble() -> None:
    calls = Calls(
        {"meta": {"summary": {"deleted": 0, "not_deleted": 1}}, "errors": [{"message": "Rule does not exist"}]}
    )
    api(calls).delete([RuleAtX("7", "a", "")])
    assert calls.asked == [({}, {"delete": {"ids": ["7"]}})]


def test_a_rule_is_replaced_with_nothing_to_wait_for_in_between() -> None:
    calls = Calls({"meta": {}}, created(A))
    assert api(calls).replace([RuleAtX("7", "a", "old")], [A]).accepted == {"a"}
    assert [next(iter(body)) if isinstance(body, dict) else body for _, body in calls.asked] == [
        "reserve 2",
        "delete",
        "add",
    ]
    assert calls.unstoppable
    assert calls.more_follows == [True, False]


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {"detail": "innermost"}
    for _ in range(levels):
        document = {"errors": [document]}
    return document


def test_of_nested_problems_one_level_is_told() -> None:
    assert problem_in_words({"title": "a", "errors": [{"title": "b", "errors": [{"title": "c"}]}]}) == "a: b"


@pytest.mark.parametrize("levels", [30, 100_000])
def test_problems_within_problems_are_told_in_few_words_however_deep(levels: int) -> None:
    assert len(problem_in_words(nested(levels))) < 1000


def test_a_refusal_of_a_rule_that_is_nested_deeply_is_a_refusal() -> None:
    depth = 400
    deep = '{"errors":[' * depth + '{"title":"no"}' + "]}" * depth
    said = f'{{"errors":[{{"value":"a","errors":[{deep}]}}]}}'.encode()
    verdicts = api(Calls(said)).add([A])
    assert list(verdicts.refused) == ["a"]
    assert len(verdicts.refused["a"]) <= 300
