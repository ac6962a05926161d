"""A set of rules, and which of them a post matches."""

from collections.abc import Iterable

from pipeline.alerts_config import Rule
from pipeline.contracts import MatchedRule
from pipeline.errors import UserMistake
from stream_getter.matching.candidate import Candidate
from stream_getter.matching.grammar import RuleError, Unknowable, parse_rule
from stream_getter.matching.operators import Test


class RuleSet:
    """``place`` is where the rules stand, such as ``config/alerts.yaml: rules``, for errors. Raises UserMistake.

    A rule that matched is known by its tag, or by its place in the list, counted from 0, where it has none.
    """

    def __init__(self, rules: Iterable[Rule], place: str, unknowable: Unknowable = lambda _name, _value: None) -> None:
        self._rules: list[tuple[Test, MatchedRule]] = []
        for index, rule in enumerate(rules):
            try:
                test = parse_rule(rule.text, unknowable)
            except RuleError as error:
                raise UserMistake(f"{place}[{index}].value: {error}") from error
            self._rules.append((test, MatchedRule(id=rule.tag or str(index), tag=rule.tag or "")))

    def __len__(self) -> int:
        return len(self._rules)

    def matching(self, candidate: Candidate) -> list[MatchedRule]:
        """Every rule that the post matches, in their order."""
        return [matched for test, matched in self._rules if test(candidate)]
