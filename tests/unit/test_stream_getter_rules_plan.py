"""What differs between the file's rules and X's, and how the one becomes the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.errors import Unavailable, UserMistake
from stream_getter.x.rules.api import BATCH, Verdicts
from stream_getter.x.rules.application import LOOKS, Application, Outcome, dry_run
from stream_getter.x.rules.calls import CapExceeded
from stream_getter.x.rules.plan import Plan, RuleAtX, check_cap, plan_of
from stream_getter.x.rules.tags import is_managed, tag_as_written, tag_at_x
from stream_getter.x.rules.wanted import Bounds, Wanted, mistakes_in, wanted_rules


@dataclass
class FakeX:
    """The rules endpoint in memory, with X's own rules: no value twice, no more than ``cap``."""

    cap: int = 1000
    at_x: list[RuleAtX] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    most: int = 0
    refuses: dict[str, str] = field(default_factory=dict)
    fail_at: dict[int, Exception] = field(default_factory=dict)
    lost_answers: set[int] = field(default_factory=set)
    behind: int = 0
    place: str = "http://x"
    _ids: int = 0

    def rules(self) -> list[RuleAtX]:
        self._call("list")
        if self.behind:
            self.behind -= 1
            return []
        return list(self.at_x)

    def add(self, rules: Sequence[Wanted], *, dry_run: bool = False) -> Verdicts:
        answer_lost = self._call(f"{'try' if dry_run else 'add'} {len(rules)}")
        if len(self.at_x) + len(rules) > self.cap:
            raise CapExceeded("http://x: RulesCapExceeded")
        said = Verdicts(refused={rule.value: self.refuses[rule.value] for rule in rules if rule.value in self.refuses})
        values = {rule.value for rule in self.at_x}
        for rule in rules:
            if rule.value in values:
                said.existing.add(rule.value)
            elif rule.value not in said.refused:
                said.accepted.add(rule.value)
                if not dry_run:
                    self.put(rule.value, rule.tag)
        if answer_lost:
            raise Unavailable("http://x: the answer was lost")
        return said

    def replace(self, before: Sequence[RuleAtX], after: Sequence[Wanted]) -> Verdicts:
        self.delete(before)
        return self.add(after)

    def delete(self, rules: Sequence[RuleAtX]) -> None:
        self._call(f"delete {len(rules)}")
        ids = {rule.id for rule in rules}
        self.at_x = [rule for rule in self.at_x if rule.id not in ids]

    def put(self, value: str, tag: str) -> None:
        self._ids += 1
        self.at_x.append(RuleAtX(str(self._ids), value, tag))
        self.most = max(self.most, len(self.at_x))

    def state(self) -> dict[str, str]:
        return {rule.value: rule.tag for rule in self.at_x}

    def _call(self, what: str) -> bool:
        number = len(self.calls)
        self.calls.append(what)
        if number in self.fail_at:
            raise self.fail_at[number]
        return number in self.lost_answers


def fake_x(*rules: tuple[str, str], **options: object) -> FakeX:
    x = FakeX(**options)  # type: ignore[arg-type]
    for value, tag in rules:
        x.put(value, tag)
    return x


def want(*rules: tuple[str, str | None]) -> list[Wanted]:
    return [Wanted(value, tag_at_x(tag)) for value, tag in rules]


def many(name: str, count: int) -> list[tuple[str, str]]:
    return [(f"{name} {number}", tag_at_x(name)) for number in range(count)]


def applied(x: FakeX, plan: Plan, stopped: Callable[[], bool] = lambda: False) -> Outcome:
    room = x.cap - len(x.at_x)
    return Application(x, plan, room, stopped, lambda _seconds: True).run()  # type: ignore[arg-type]


def changes(x: FakeX) -> list[str]:
    return [call for call in x.calls if call != "list"]


def config(rules: str) -> AlertsConfig:
    rest = "labels: [{name: a, threshold: 1}]\nchannels: {t: {type: stdout}}\nroutes: [{channels: [t]}]\n"
    return parse_alerts_config(rest + rules, "alerts.yaml")


@pytest.mark.parametrize("tag", [None, "quake", "tweet-alerts/quake", "Flut 🌊"])
def test_a_tag_comes_back_as_it_was_written(tag: str | None) -> None:
    assert is_managed(tag_at_x(tag))
    assert tag_as_written(tag_at_x(tag)) == (tag or "")


@pytest.mark.parametrize("tag", ["", "quake", "Tweet-alerts/quake", " tweet-alerts/quake", "tweet-alerts"])
def test_a_tag_of_others_is_theirs_and_stays_as_it_is(tag: str) -> None:
    assert not is_managed(tag)
    assert tag_as_written(tag) == tag


def test_the_files_rules_are_checked_against_what_the_account_has() -> None:
    mistakes = list(
        mistakes_in(config(f"rules: [{{value: {'a' * 11}}}, {{value: b}}, {{value: -c}}]"), "f", Bounds(2, 10))
    )
    assert mistakes[0] == "f: rules: expected at most 2 rules (see --max-rules), got 3"
    assert mistakes[1] == "f: rules[0].value: expected at most 10 characters (see --max-length), got 11"
    assert mistakes[2].startswith("f: rules[2].value: expected at least one word")
    assert len(mistakes) == 3
    with pytest.raises(UserMistake, match="rules: expected at most 2 rules"):
        wanted_rules(config("rules: [{value: a}, {value: b}, {value: c}]"), "f", Bounds(2, 10))


def test_a_file_without_rules_never_means_to_delete_all() -> None:
    with pytest.raises(UserMistake, match="f: rules: expected a list of X's rules, got nothing"):
        wanted_rules(config(""), "f", Bounds())
    assert wanted_rules(config("rules: []"), "f", Bounds()) == []


def test_what_differs_is_told_apart() -> None:
    x = fake_x(
        ("same", "tweet-alerts/a"),
        ("other tag", "tweet-alerts/old"),
        ("gone", "tweet-alerts/a"),
        ("taken", "theirs"),
        ("foreign", ""),
    )
    wanted = want(("same", "a"), ("other tag", "new"), ("taken", "mine"), ("new", None))
    plan = plan_of(wanted, x.at_x)
    assert [rule.value for rule in plan.keep] == ["same"]
    assert plan.add == [Wanted("new", "tweet-alerts/")]
    assert [rule.value for rule in plan.delete] == ["gone"]
    assert [(retag.before.tag, retag.after.tag) for retag in plan.retag] == [("tweet-alerts/old", "tweet-alerts/new")]
    assert [rule.before.value for rule in plan.taken] == ["taken"]
    assert [rule.value for rule in plan.foreign] == ["foreign"]
    assert (plan.changes, plan.differences, plan.rules_after) == (3, 4, 5)

    adopting = plan_of(wanted, x.at_x, adopt=True)
    assert [rule.before.value for rule in adopting.retag] == ["other tag", "taken"]
    assert [rule.value for rule in adopting.foreign] == ["foreign"]

    deleting = plan_of(wanted, x.at_x, delete_unmanaged=True)
    assert [rule.value for rule in deleting.delete] == ["gone", "foreign"]
    assert not deleting.taken
    assert not deleting.foreign


def test_more_rules_than_the_account_may_have_are_told_before_anything_is_done() -> None:
    plan = plan_of(want(("a", None), ("b", None)), fake_x(("foreign", "x"), ("more", "x")).at_x)
    check_cap(plan, "f", 4)
    with pytest.raises(UserMistake) as caught:
        check_cap(plan, "f", 3)
    assert str(caught.value) == (
        "f: rules: expected at most 3 rules (see --max-rules), got 2, beside 2 at X that are not managed here"
    )


def test_rules_are_added_before_others_are_deleted_and_nothing_else_is_touched() -> None:
    x = fake_x(("old", "tweet-alerts/"), ("keep", "tweet-alerts/"), ("foreign", "theirs"))
    outcome = applied(x, plan_of(want(("new", "n"), ("keep", None)), x.at_x))
    assert changes(x) == ["add 1", "delete 1"]
    assert x.state() == {"keep": "tweet-alerts/", "foreign": "theirs", "new": "tweet-alerts/n"}
    assert outcome.complete
    assert ([rule.value for rule in outcome.added], [rule.value for rule in outcome.deleted]) == (["new"], ["old"])


def test_where_there_is_no_room_just_as_many_are_deleted_first_as_have_to_be() -> None:
    x = fake_x(*many("old", 300), cap=350)
    plan = plan_of(want(*[(value, tag_as_written(tag)) for value, tag in many("new", 330)]), x.at_x)
    outcome = applied(x, plan)
    assert outcome.complete
    assert x.most <= 350
    assert changes(x)[:4] == ["add 50", "delete 100", "add 100", "delete 100"]
    assert len(x.at_x) == 330


def test_requests_are_no_larger_than_a_batch() -> None:
    x = fake_x(*many("old", 250))
    applied(x, plan_of(want(*[(value, "new") for value, _ in many("old", 120) + many("new", 130)]), x.at_x))
    assert all(int(call.split()[1]) <= BATCH for call in changes(x))
    assert len(x.at_x) == 250


def test_an_account_with_less_room_than_was_thought() -> None:
    x = fake_x(*many("old", 5), cap=6)
    plan = plan_of(want(*[(value, "new") for value, _ in many("new", 6)]), x.at_x)
    outcome = Application(x, plan, 995, lambda: False, lambda _seconds: True).run()  # type: ignore[arg-type]
    assert outcome.complete
    assert len(x.at_x) == 6
    full = fake_x(*many("old", 6), cap=6)
    kept = [("old " + str(number), "old") for number in range(6)]
    plan = plan_of(want(*kept, ("new", None)), full.at_x)
    outcome = Application(full, plan, 994, lambda: False, lambda _seconds: True).run()  # type: ignore[arg-type]
    assert (outcome.trouble, [rule.value for rule in outcome.not_added]) == ("http://x: RulesCapExceeded", ["new"])


def test_a_tag_is_changed_by_a_delete_and_an_add_that_no_stop_parts() -> None:
    x = fake_x(*many("old", 150))
    plan = plan_of(want(*[(value, "new") for value, _ in many("old", 150)]), x.at_x)
    outcome = applied(x, plan, stopped=lambda: "delete 100" in x.calls)
    assert changes(x) == ["delete 100", "add 100"]
    assert len(x.at_x) == 150
    assert (len(outcome.retagged), len(outcome.not_retagged), outcome.lost) == (100, 50, [])


def test_a_stop_between_two_requests_is_told_as_it_is() -> None:
    x = fake_x(("old", "tweet-alerts/"))
    outcome = applied(x, plan_of(want(("new", None)), x.at_x), stopped=lambda: "add 1" in x.calls)
    assert x.state() == {"old": "tweet-alerts/", "new": "tweet-alerts/"}
    assert ([rule.value for rule in outcome.not_deleted], outcome.complete) == (["old"], False)


def test_what_a_failure_leaves_undone_is_told_by_what_x_lists() -> None:
    x = fake_x(("old", "tweet-alerts/"), fail_at={1: Unavailable("http://x: HTTP 503")})
    outcome = applied(x, plan_of(want(("new", None)), x.at_x))
    assert (outcome.trouble, outcome.complete) == ("http://x: HTTP 503", False)
    assert ([rule.value for rule in outcome.added], [rule.value for rule in outcome.not_deleted]) == (["new"], ["old"])


def test_a_lost_answer_is_no_lost_rule() -> None:
    x = fake_x(lost_answers={0})
    outcome = applied(x, plan_of(want(("new", None)), x.at_x))
    assert outcome.complete
    assert outcome.trouble == "http://x: the answer was lost"


def test_a_rule_that_was_deleted_and_not_added_again_is_told() -> None:
    x = fake_x(("a", "tweet-alerts/old"), fail_at={1: Unavailable("http://x: HTTP 503")})
    outcome = applied(x, plan_of(want(("a", "new")), x.at_x))
    assert [retag.before.value for retag in outcome.lost] == ["a"]
    assert applied(x, plan_of(want(("a", "new")), x.at_x)).complete


def test_a_list_that_is_a_moment_behind_is_looked_at_again() -> None:
    x = fake_x(behind=LOOKS - 1)
    outcome = applied(x, plan_of(want(("new", None)), x.at_x))
    assert outcome.complete
    x = fake_x(behind=LOOKS)
    assert [rule.value for rule in applied(x, plan_of(want(("new", None)), x.at_x)).not_added] == ["new"]


def test_without_a_list_at_the_end_nothing_is_claimed() -> None:
    x = fake_x(fail_at={1: Unavailable("http://x: HTTP 503")})
    outcome = applied(x, plan_of(want(("new", None)), x.at_x))
    assert (outcome.verified, outcome.complete, outcome.trouble) == (False, False, "http://x: HTTP 503")


def test_the_dry_run_asks_only_for_what_is_new_and_has_room() -> None:
    x = fake_x(("old", "tweet-alerts/"), cap=2, refuses={"b": "no"})
    plan = plan_of(want(("b", None), ("c", None)), x.at_x)
    assert dry_run(x, plan, 1) == Verdicts(refused={"b": "no"})  # type: ignore[arg-type]
    assert x.calls == ["try 1"]
    assert dry_run(x, plan, 2) == Verdicts()  # type: ignore[arg-type]
    assert dry_run(x, plan, 0) == Verdicts()  # type: ignore[arg-type]
    assert x.calls == ["try 1", "try 2"]


TAGS = st.sampled_from(["tweet-alerts/", "tweet-alerts/a", "tweet-alerts/b", "", "theirs"])
VALUES = st.sampled_from([f"v{number}" for number in range(8)])


@given(
    before=st.dictionaries(VALUES, TAGS),
    wanted=st.dictionaries(VALUES, st.sampled_from([None, "a", "b"])),
    adopt=st.booleans(),
    delete_unmanaged=st.booleans(),
    spare=st.integers(0, 2),
    stop_after=st.integers(1, 12),
)
def test_whatever_there_was_it_ends_as_wanted_and_no_rule_of_others_is_touched(
    before: dict[str, str],
    wanted: dict[str, str | None],
    adopt: bool,
    delete_unmanaged: bool,
    spare: int,
    stop_after: int,
) -> None:
    x = fake_x(*before.items())
    options = {"adopt": adopt, "delete_unmanaged": delete_unmanaged}
    rules = want(*wanted.items())
    plan = plan_of(rules, x.at_x, **options)
    x.cap = max(len(before), plan.rules_after) + spare
    # stopped anywhere, and run again
    applied(x, plan, stopped=lambda: len(x.calls) >= stop_after)
    outcome = applied(x, plan_of(rules, x.at_x, **options))
    assert outcome.complete
    assert x.most <= x.cap
    theirs = {value: tag for value, tag in before.items() if not is_managed(tag)}
    left = {value: tag for value, tag in theirs.items() if not delete_unmanaged and not (adopt and value in wanted)}
    assert x.state() == {value: tag_at_x(tag) for value, tag in wanted.items()} | left
    assert plan_of(rules, x.at_x, **options).changes == 0
