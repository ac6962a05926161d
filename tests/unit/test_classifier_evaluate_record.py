"""What counts as passed, missed and wrong, with thresholds, only_rules and unless."""

import pytest

from classifier.evaluate.goal import Goal, Measure
from classifier.evaluate.page import report_page
from classifier.evaluate.proposal import proposal_lines
from classifier.evaluate.report import Confusion
from classifier.evaluate.table import report_lines
from pipeline.yaml_text import load_yaml
from tests.support.labelled_trials import Row, config_of, many, record_of, report_of, row

TWO = "[{name: flood, threshold: 0.5}, {name: fire, threshold: 0.4}]"


def test_hand_made_figures() -> None:
    rows = [
        row("a", "flood", {"flood": 0.9, "fire": 0.1}),
        row("b", "flood", {"flood": 0.5, "fire": 0.4}),
        row("c", ["flood", "fire"], {"flood": 0.2, "fire": 0.8}),
        row("d", "none", {"flood": 0.7, "fire": 0.3}),
        row("e", "haze", {"flood": 0.1, "fire": 0.9}),
        row("f", [], {"flood": 0.0, "fire": 0.0}),
    ]
    report, _ = report_of(record_of(config_of(TWO), rows))
    flood, fire = report.labels
    assert (flood.support, flood.now.hits, flood.now.passed) == (3, 2, 3)
    assert (flood.now.precision, flood.now.recall, flood.now.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert flood.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert (fire.support, fire.now.hits, fire.now.passed) == (1, 1, 3)
    assert flood.missed == [Confusion("nothing", 1)], "fire is right there"
    assert flood.false_alarms == [Confusion("none", 1)]
    assert fire.false_alarms == [Confusion("flood", 1), Confusion("haze", 1)]
    assert [(post.line, post.kind, post.score) for post in flood.worst] == [(3, "missed", 0.2), (4, "false alarm", 0.7)]
    overall = report.overall
    assert overall.f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (overall.posts_about_none, overall.alerted_in_error) == (3, 2)
    assert sum(flood.histogram.about) + sum(flood.histogram.others) == 6
    assert flood.histogram.about[18] == 1


def test_a_confusion_names_the_label_that_passed_instead() -> None:
    rows = [row("a", "flood", {"flood": 0.1, "fire": 0.9})]
    report, _ = report_of(record_of(config_of(TWO), rows))
    assert report.labels[0].missed == [Confusion("fire", 1)]
    assert report.labels[1].false_alarms == [Confusion("flood", 1)]
    assert report.labels[0].worst[0].passed == ["fire"]


def test_a_veto_holds_whatever_the_threshold() -> None:
    config = config_of("[{name: flood, threshold: 0.9, unless: [joke]}]")
    rows = [
        row("a", "flood", {"flood": 0.8, "joke": 0.1}),
        row("b", "flood", {"flood": 0.95, "joke": 0.99}),
        row("c", "none", {"flood": 0.6, "joke": 0.7}),
    ]
    record = record_of(config, rows)
    assert list(record.labels["flood"].scores) == [0.8, -1.0, -1.0]
    report, _ = report_of(record)
    [flood] = report.labels
    assert (flood.vetoed, flood.now.passed) == (2, 0)
    assert [(post.line, post.why) for post in flood.worst] == [(1, "below threshold"), (2, "vetoed")]
    assert flood.average_precision == pytest.approx(1 / 2), "what can never pass is never found"


def test_a_label_that_is_not_asked_cannot_pass() -> None:
    config = config_of(
        "[{name: flood, threshold: 0.5, only_rules: [water]}, {name: fire, threshold: 0.5, only_rules: [smoke]}]"
    )
    rows = [
        row("a", "flood", {"flood": 0.9}, rules=["water"]),
        row("b", "flood", {"fire": 0.1}, rules=["smoke"]),
        row("c", "flood", {}, rules=["other"]),
        row("d", "none", {"flood": 0.6}, rules=["water"]),
    ]
    report, _ = report_of(record_of(config, rows))
    flood = report.labels[0]
    assert (report.posts, flood.not_asked) == (4, 2)
    assert flood.now.recall == pytest.approx(1 / 3)
    assert [(post.line, post.why, post.score) for post in flood.worst] == [
        (4, "", 0.6),
        (2, "not asked", None),
        (3, "not asked", None),
    ]


def test_refused_posts_are_counted_listed_and_in_no_figure() -> None:
    rows = [row("a", "flood", {"flood": 0.9, "fire": 0}), row("b\x1b[31m", "flood", None)]
    report, _ = report_of(record_of(config_of(TWO), rows))
    assert (report.posts, report.refused, report.labels[0].support) == (1, 1, 1)
    assert [(post.line, post.reason, post.text) for post in report.refused_posts] == [(2, "too strange", "b")]


def test_a_label_without_posts_or_without_alarms_has_no_figures_instead_of_wrong_ones() -> None:
    report, _ = report_of(record_of(config_of(TWO), [row("a", "none", {"flood": 0.1, "fire": 0.1})]))
    now = report.labels[0].now
    assert (now.precision, now.precision_interval, now.recall, now.f1) == (None, None, None, None)
    assert (report.labels[0].average_precision, report.labels[0].curve, report.overall.f1) == (None, [], None)


def test_the_worst_are_few_and_those_furthest_from_the_threshold() -> None:
    rows = [row(f"post {number}", "none", {"flood": number / 100, "fire": 0}) for number in range(100)]
    report, _ = report_of(record_of(config_of(TWO), rows, worst=3))
    assert [post.line for post in report.labels[0].worst] == [100, 99, 98]
    report, _ = report_of(record_of(config_of(TWO), rows, worst=0))
    assert report.labels[0].worst == []


def test_texts_that_are_kept_are_short_and_harmless() -> None:
    hostile = "\x1b]0;title\x07\u202eevil\n" + "x" * 5000
    report, _ = report_of(record_of(config_of(TWO), [row(hostile, "flood", {"flood": 0, "fire": 0}, id="\x1b[2Jid")]))
    [post] = report.labels[0].worst
    assert post.text == "\ufffd]0;title\ufffdevil " + "x" * 184 + "…"
    assert post.id == "id"


def test_names_of_labels_and_ids_of_a_hostile_file_are_harmless_wherever_they_are_told() -> None:
    name = "x\x1b]0;owned\x07\x1b[2J\nflood: 0 in error" + "y" * 150
    rows = [
        row("a", name, {"flood": 0.9, "fire": 0.0}),
        row("b", name, None, id="\x1b[2J\u202eid" + "z" * 150),
        row("c", [name, name.replace("2J", "3J")], {"flood": 0.0, "fire": 0.9}),
    ]
    report, _ = report_of(record_of(config_of(TWO), rows))
    shown = "x flood: 0 in error" + "y" * 40 + "…"
    assert [label.false_alarms for label in report.labels] == [[Confusion(shown, 1)]] * 2, "alike, they are one"
    assert report.labels[0].worst[0].about == [shown]
    assert [post.id for post in report.refused_posts] == ["id" + "z" * 97 + "…"]
    assert all(line.isprintable() for line in report_lines(report))
    assert not any(mark in report_page(report) for mark in ("\x1b", "\x07", "\u202e"))


def test_a_threshold_is_chosen_where_posts_are_enough() -> None:
    report, _ = report_of(record_of(config_of(TWO), many(40, about=0.3, others=0.1)))
    flood, fire = report.labels
    assert flood.now.recall == 0.0
    assert flood.choice is not None
    assert 0.138 < flood.choice.threshold <= 0.301
    assert (flood.choice.figures.f1, flood.choice.cross_validated.f1) == (1.0, 1.0)
    assert fire.choice is None
    assert fire.no_choice == "0 different posts about it: too few to choose a threshold by, 10 at least"


def test_the_same_post_again_and_again_is_one() -> None:
    rows = [
        row(f"Flood in the valley https://t.co/{number}", "flood", {"flood": 0.9, "fire": 0}) for number in range(30)
    ]
    report, _ = report_of(record_of(config_of(TWO), [*rows, *many(40, about=0.2, others=0.1)[::2]]))
    assert report.labels[0].choice is None
    assert report.labels[0].no_choice.startswith("1 different post about it: too few")


def test_a_goal_out_of_reach_is_said() -> None:
    rows = many(40, about=0.1, others=0.5)
    report, _ = report_of(record_of(config_of(TWO), rows), Goal(Measure.PRECISION, 0.9))
    assert report.labels[0].choice is None
    assert report.labels[0].no_choice == "no threshold reaches a precision of 0.9: 0.50 is the most"
    vetoed = config_of("[{name: flood, threshold: 0.5, unless: [joke]}]")
    rows = [
        row(
            f"a text that says {number}",
            "flood" if number % 2 else "none",
            {"flood": 0.6, "joke": 0.9 if number % 4 else 0},
        )
        for number in range(60)
    ]
    report, _ = report_of(record_of(vetoed, rows), Goal(Measure.RECALL, 0.9))
    assert report.labels[0].no_choice == "no post about it can pass"


def noisy() -> list[Row]:
    """Scores that say nothing, but for one post about flood with the highest of all."""
    return [
        row(
            f"a text that says {number}",
            "flood" if number % 4 == 0 else "none",
            {"flood": 0.95 if number == 0 else (number * 37 % 80) / 100, "fire": 0.0},
        )
        for number in range(80)
    ]


@pytest.mark.parametrize("goal", [Goal(), Goal(Measure.PRECISION, 0.9)])
def test_a_threshold_that_does_not_stand_up_to_unseen_posts_is_doubted_and_not_proposed(goal: Goal) -> None:
    config = config_of("[{name: flood, threshold: 0.0}, {name: fire, threshold: 0.4}]")
    report, _ = report_of(record_of(config, noisy()), goal)
    [flood, _] = report.labels
    assert flood.choice is not None
    assert "on unseen posts is" in flood.choice.doubt
    told = "\n".join(proposal_lines(report))
    assert load_yaml(told, "proposal")["labels"][0]["threshold"] == 0.0
    assert f"# as it was: with {flood.choice.threshold:g} {flood.choice.doubt}" in told


def test_a_recall_that_unseen_posts_have_too_is_not_doubted() -> None:
    report, _ = report_of(record_of(config_of(TWO), many(40, about=0.3, others=0.1)), Goal(Measure.RECALL, 0.9))
    assert report.labels[0].choice is not None
    assert report.labels[0].choice.doubt == ""
