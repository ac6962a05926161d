"""The rules of the stream: kept and told as X does, matched against nothing (posts bring their own)."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from simulator import problems
from simulator.answer import Answer
from simulator.clock import Clock, x_timestamp
from simulator.snowflake import SnowflakeIds

MAX_RULES = 1000
MAX_VALUE_CHARACTERS = 1024
MAX_PAGE = 1000


class Rules:
    """The rule set, at most `limit`. Answers have the shape of X's document "Filtered stream: rules".

    Safe between threads.
    """

    def __init__(self, ids: SnowflakeIds, clock: Clock, limit: int = MAX_RULES) -> None:
        self._limit = limit
        self._ids = ids
        self._clock = clock
        self._lock = threading.Lock()
        self._rules: dict[str, dict[str, str]] = {}

    def first(self) -> dict[str, str] | None:
        """The id and tag of the oldest rule, as they stand in matching_rules; None without rules."""
        with self._lock:
            oldest = next(iter(self._rules.values()), None)
        return None if oldest is None else {name: oldest[name] for name in ("id", "tag") if name in oldest}

    def page(self, query: Mapping[str, Sequence[str]]) -> Answer:
        """One page, oldest rule first; query: ids, max_results (1 to 1000), pagination_token."""
        size = query.get("max_results", [str(MAX_PAGE)])[0]
        if not (size.isascii() and size.isdecimal() and 1 <= int(size) <= MAX_PAGE):
            message = f"The `max_results` query parameter value [{size}] is not between 1 and {MAX_PAGE}"
            return Answer(400, problems.invalid_request(message))
        token = query.get("pagination_token", [""])[0]
        with self._lock:
            rules = list(self._rules.values())
        if "ids" in query:
            wanted = set(",".join(query["ids"]).split(","))
            rules = [rule for rule in rules if rule["id"] in wanted]
        if token:
            if not (token.isascii() and token.isdecimal()):
                message = f"The `pagination_token` query parameter value [{token}] is not valid"
                return Answer(400, problems.invalid_request(message))
            # The token is the last id of the page before: rules that come or go between two pages do no harm.
            rules = [rule for rule in rules if int(rule["id"]) > int(token)]
        page = rules[: int(size)]
        body: dict[str, Any] = {"data": page} if page else {}
        body["meta"] = {"sent": self._sent(), "result_count": len(page)}
        if len(page) < len(rules):
            body["meta"]["next_token"] = page[-1]["id"]
        return Answer(200, body)

    def change(self, request: Any, *, dry_run: bool) -> Answer:
        """Add or delete; `request` is the decoded body.

        With `dry_run` nothing changes, and the answer says what would have happened.
        """
        if isinstance(request, dict) and len(request) == 1:
            if isinstance(request.get("add"), list) and request["add"]:
                return self._add(request["add"], dry_run)
            if isinstance(request.get("delete"), dict):
                return self._delete(request["delete"], dry_run)
        message = 'expected {"add": [{"value", "tag"}, ...]} or {"delete": {"ids": [...]}}'
        return Answer(400, problems.invalid_request(message))

    def delete_all(self, *, dry_run: bool) -> Answer:
        """As `?delete_all=true` asks for."""
        with self._lock:
            summary = {"deleted": len(self._rules), "not_deleted": 0}
            if not dry_run:
                self._rules.clear()
        return Answer(200, self._body([], summary, []))

    def _add(self, wanted: list[Any], dry_run: bool) -> Answer:
        if not all(_is_rule(one) for one in wanted):
            message = "add: expected objects with a string value, not empty, and perhaps a string tag"
            return Answer(400, problems.invalid_request(message))
        created: list[dict[str, str]] = []
        errors: list[dict[str, Any]] = []
        with self._lock:
            id_of_value = {rule["value"]: rule["id"] for rule in self._rules.values()}
            for rule in wanted:
                value = rule["value"].strip()
                if len(value) > MAX_VALUE_CHARACTERS:
                    reason = f"Rule must be at most {MAX_VALUE_CHARACTERS} characters, found {len(value)}"
                    errors.append(problems.invalid_rule(rule["value"], reason))
                elif value in id_of_value:
                    errors.append(problems.duplicate_rule(rule["value"], id_of_value[value]))
                else:
                    id_of_value[value] = self._ids.fresh()
                    new = {"id": id_of_value[value], "value": value}
                    if rule.get("tag"):
                        new["tag"] = rule["tag"]
                    created.append(new)
            if len(self._rules) + len(created) > self._limit:
                return Answer(400, problems.rule_cap(self._limit))
            if not dry_run:
                self._rules.update((rule["id"], rule) for rule in created)
        summary = {
            "created": len(created),
            "not_created": len(errors),
            "valid": len(created),
            "invalid": len(errors),
        }
        status = 201 if created and not dry_run else 200
        return Answer(status, self._body(created, summary, errors))

    def _delete(self, wanted: dict[str, Any], dry_run: bool) -> Answer:
        lists = [wanted.get("ids", []), wanted.get("values", [])]
        if not any(lists) or not all(
            isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists
        ):
            message = "delete: expected ids or values, each a list of strings, not both empty"
            return Answer(400, problems.invalid_request(message))
        with self._lock:
            id_of_value = {rule["value"]: rule["id"] for rule in self._rules.values()}
            named = [*lists[0], *(id_of_value.get(value.strip(), "") for value in lists[1])]
            found = set(named) & self._rules.keys()
            if not dry_run:
                for rule_id in found:
                    del self._rules[rule_id]
        unknown = [name for name in named if name not in found]
        summary = {"deleted": len(found), "not_deleted": len(unknown)}
        return Answer(200, self._body([], summary, [problems.unknown_rule() for _ in unknown]))

    def _body(
        self, data: list[dict[str, str]], summary: dict[str, int], errors: list[dict[str, Any]]
    ) -> dict[str, Any]:
        body: dict[str, Any] = {"data": data} if data else {}
        body["meta"] = {"sent": self._sent(), "summary": summary}
        if errors:
            body["errors"] = errors
        return body

    def _sent(self) -> str:
        return x_timestamp(self._clock.now())


def _is_rule(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("value"), str)
        and bool(value["value"].strip())
        and isinstance(value.get("tag", ""), str)
    )
