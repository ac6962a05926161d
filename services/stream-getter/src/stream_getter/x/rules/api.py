"""X's rules endpoint: the rules that there are, and what became of those that were to be added or deleted.

X API v2, "Filtered stream": GET and POST /2/tweets/search/stream/rules.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from pipeline.errors import Unavailable
from pipeline.hostile_text import one_line
from stream_getter.x.rules.calls import CapExceeded, Refused, RulesCalls, problem_in_words
from stream_getter.x.rules.plan import RuleAtX
from stream_getter.x.rules.wanted import Wanted

#: Rules of one request to add or delete. X gives no bound; 100 requests in 15 minutes are 10,000 rules, and a request
#: of the longest is some 200 kB.
BATCH = 100
_PAGE = 1000
#: More than any account has; whoever answers with more is not X.
_MOST_RULES = 200_000
_SAID_LENGTH = 300
_DRY_RUN = {"dry_run": "true"}


class _Struct(msgspec.Struct):
    """Unknown fields are ignored."""


class _Rule(_Struct):
    id: str | int
    value: str
    tag: str | None = None


class _PageMeta(_Struct):
    next_token: str | None = None


class _Page(_Struct):
    data: list[_Rule] = []
    meta: _PageMeta | None = None


class _Change(_Struct):
    data: list[_Rule] = []
    errors: list[dict[str, Any]] = []


_D = TypeVar("_D", _Page, _Change)


@dataclass(slots=True)
class Verdicts:
    """What X says of each value that was to be added. One in neither is one that X said nothing of.

    ``existing`` are values that are at X already, perhaps by an earlier try whose answer was lost.
    """

    accepted: set[str] = field(default_factory=set)
    existing: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)

    def take(self, others: "Verdicts") -> None:
        """Adds those of others."""
        self.accepted |= others.accepted
        self.existing |= others.existing
        self.refused |= others.refused


class RulesApi:
    """All calls raise what RulesCalls raises; one rule that X refuses raises nothing."""

    def __init__(self, calls: RulesCalls) -> None:
        self._calls = calls

    @property
    def place(self) -> str:
        """X's address."""
        return self._calls.place

    def rules(self) -> list[RuleAtX]:
        """All rules, page by page."""
        rules: list[RuleAtX] = []
        query = {"max_results": str(_PAGE)}
        while True:
            page = self._decoded(self._calls.call("GET", query), _Page)
            rules += [RuleAtX(str(rule.id), rule.value, rule.tag or "") for rule in page.data]
            token = page.meta.next_token if page.meta else None
            if not token:
                return rules
            if token == query.get("pagination_token") or len(rules) > _MOST_RULES:
                raise Unavailable(f"{self.place}: expected pages of rules that come to an end, got always one more")
            query["pagination_token"] = token

    def replace(self, before: Sequence[RuleAtX], after: Sequence[Wanted]) -> Verdicts:
        """Deletes at most BATCH rules and adds as many in their place, with as little between as can be.

        Waits before rather than in between, and a signal does not part the two. Where X has not told yet what is left
        of its rate limit, a dry run asks for that.
        """
        if not self._calls.knows_rate_limit:
            # what it says of the rules counts for nothing: they are there until they are deleted
            with suppress(Refused):
                self._calls.call("POST", _DRY_RUN, _addition(after))
        self._calls.reserve(2)
        self.delete(before, more_follows=True)
        return self.add(after, unstoppable=True)

    def add(self, rules: Sequence[Wanted], *, dry_run: bool = False, unstoppable: bool = False) -> Verdicts:
        """Adds at most BATCH rules; with ``dry_run`` X only says what it would do.

        ``unstoppable`` is as RulesCalls has it. Where X takes none of a request for the sake of some, the others are
        sent again without those.

        Raises CapExceeded where X has no room for them.
        """
        verdicts = self._added(rules, dry_run, unstoppable)
        left = [rule for rule in rules if rule.value not in _told_of(verdicts)]
        if left and len(left) < len(rules):
            verdicts.take(self._added(left, dry_run, unstoppable))
        return verdicts

    def delete(self, rules: Sequence[RuleAtX], *, more_follows: bool = False) -> None:
        """Deletes at most BATCH rules. One that is gone already is as good as deleted: list them to know.

        ``more_follows`` is as RulesCalls has it.
        """
        body = {"delete": {"ids": [rule.id for rule in rules]}}
        self._decoded(self._calls.call("POST", {}, body, more_follows=more_follows), _Change)

    def _added(self, rules: Sequence[Wanted], dry_run: bool, unstoppable: bool) -> Verdicts:
        query = _DRY_RUN if dry_run else {}
        try:
            content = self._calls.call("POST", query, _addition(rules), unstoppable=unstoppable)
            change = self._decoded(content, _Change)
        except CapExceeded:
            raise
        except Refused as error:
            if len(rules) == 1:
                return Verdicts(refused={rules[0].value: str(error)})
            # some rule has spoilt the request, and X does not say which
            middle = len(rules) // 2
            verdicts = self._added(rules[:middle], dry_run, unstoppable)
            verdicts.take(self._added(rules[middle:], dry_run, unstoppable))
            return verdicts
        verdicts = Verdicts(accepted={rule.value.strip() for rule in change.data})
        for error_ in change.errors:
            value = error_.get("value")
            if not isinstance(value, str):
                continue
            if error_.get("title") == "DuplicateRule":
                verdicts.existing.add(value.strip())
            else:
                verdicts.refused[value.strip()] = one_line(problem_in_words(error_), _SAID_LENGTH)
        # an error without a value can only be about the one that there is
        if len(rules) == 1 and change.errors and not _told_of(verdicts):
            verdicts.refused[rules[0].value] = one_line(problem_in_words(change.errors[0]), _SAID_LENGTH)
        return verdicts

    def _decoded(self, content: bytes, kind: type[_D]) -> _D:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(
                f"environment: X_API_URL: expected the address of X's API, got {self.place}, "
                f"which answers something else ({one_line(str(error), _SAID_LENGTH)})"
            ) from error


def _addition(rules: Sequence[Wanted]) -> dict[str, Any]:
    return {"add": [{"value": rule.value, "tag": rule.tag} for rule in rules]}


def _told_of(verdicts: Verdicts) -> set[str]:
    return verdicts.accepted | verdicts.existing | verdicts.refused.keys()
