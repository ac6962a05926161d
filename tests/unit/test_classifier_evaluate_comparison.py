"""How two trials of the same posts compare."""

from classifier.evaluate.comparison import Changes, Comparison, compare
from classifier.evaluate.goal import Goal, Measure
from classifier.evaluate.page import comparison_page
from classifier.evaluate.record import Record
from classifier.evaluate.table import comparison_lines
from tests.support.labelled_trials import Row, config_of, many, record_of, report_of, row

TWO = "[{name: flood, threshold: 0.5}, {name: fire, threshold: 0.4}]"


def compared(first: Record, second: Record, changes: Changes | None = None, goal: Goal | None = None) -> Comparison:
    goal = goal or Goal()
    reports = (report_of(first, goal)[0], report_of(second, goal)[0])
    return compare((first, second), reports, goal, changes or Changes(first))


def test_two_trials_are_compared_post_by_post() -> None:
    config = config_of(TWO)
    better = [*many(40, about=0.8, others=0.1)[:-1], row("refused", "flood", None)]
    first = record_of(config, many(40, about=0.3, others=0.1))
    changes = Changes(first)
    second = Record(config, 40, 3)
    second.listen(changes.note)
    record_of(config, better, record=second)
    told = compared(first, second, changes)
    assert told.posts == 39
    flood, fire = told.labels
    assert (flood.first.recall, flood.second.recall) == (0.0, 1.0)
    assert (flood.now.only_first, flood.now.only_second, flood.now.word) == (0, 19, "better")
    assert flood.at_best is not None
    assert flood.at_best.word == "no clear difference", "with thresholds of their own both are right"
    assert flood.changed == 19
    assert [post.line for post in flood.changed_posts] == list(range(2, 21, 2)), "the first ten"
    assert all(post.passes and post.is_right for post in flood.changed_posts)
    assert (fire.changed, fire.now.word, fire.differs, fire.at_best) == (0, "no clear difference", False, None)
    assert (told.overall.only_second, told.overall.word) == (19, "better")
    lines = list(comparison_lines(told))
    assert "means of 1 label: F1 A 0.00, B 1.00; AP A 1.00, B 1.00; F1 on unseen posts A 1.00, B 1.00" in lines
    assert "of 39 posts all labels are right in A alone: 0, in B alone: 19; B is: better (p < 0.001)" in lines
    assert "  line 2, passes now, rightly: a text that says 1" in lines


def test_posts_that_say_the_same_count_once_in_a_comparison() -> None:
    config = config_of(TWO)
    same = [f"Flood in the valley https://t.co/{number}" for number in range(30)]
    first = record_of(config, [row(text, "flood", {"flood": 0.1, "fire": 0}) for text in same])
    second = record_of(config, [row(text, "flood", {"flood": 0.9, "fire": 0}) for text in same])
    told = compared(first, second)
    assert (told.labels[0].changed, told.labels[0].now.only_second) == (30, 1)
    assert told.labels[0].now.word == "no clear difference"


def test_labels_that_only_one_has_are_named() -> None:
    first = record_of(config_of(TWO), [row("a", "flood", {"flood": 0.1, "fire": 0})])
    second = record_of(
        config_of("[{name: flood, threshold: 0.5}, {name: haze, threshold: 0.5}]"),
        [row("a", "flood", {"flood": 0.1, "haze": 0})],
    )
    told = compared(first, second)
    assert ([label.name for label in told.labels], told.only_in_first, told.only_in_second) == (
        ["flood"],
        ["fire"],
        ["haze"],
    )


def test_all_figures_are_over_the_posts_that_both_judged() -> None:
    """The first is asked all, with some that it gets all wrong; the second refuses these, and so gets all right."""
    config = config_of(TWO)
    easy = many(40, about=0.8, others=0.1)
    hard = [row(f"hard {number}", "none", {"flood": 0.95, "fire": 0.0}) for number in range(20)]
    first = record_of(config, [*easy, *hard])
    second = record_of(config, [*easy, *(Row(post, None) for post, _ in hard)])
    told = compared(first, second)
    assert told.posts == 40
    flood, _ = told.labels
    whole, _ = told.first.labels
    assert whole.average_precision is not None
    assert whole.average_precision < 0.7, "of the report of the first alone, over all that it judged"
    assert flood.average_precision == (1.0, 1.0)
    assert flood.f1_at_best == (1.0, 1.0)
    assert (flood.first, flood.changed, flood.differs) == (flood.second, 0, False)
    assert "means of 1 label: F1 A 1.00, B 1.00; AP A 1.00, B 1.00; F1 on unseen posts A 1.00, B 1.00" in list(
        comparison_lines(told)
    )


def test_posts_that_one_refused_are_not_among_those_to_choose_a_threshold_by() -> None:
    config = config_of(TWO)
    rows = many(20, about=0.8, others=0.1)
    second = record_of(config, [*rows[:-1], Row(rows[-1].post, None)])
    told = compared(record_of(config, rows), second)
    assert told.first.labels[0].choice is not None, "ten of its own"
    assert (told.labels[0].at_best, told.labels[0].no_choice) == (None, "too few posts")
    assert told.labels[0].f1_at_best == (None, None)


def test_why_no_thresholds_of_their_own_are_compared() -> None:
    config = config_of(TWO)
    good, bad = many(40, about=0.8, others=0.1), many(40, about=0.1, others=0.8)
    precision = Goal(Measure.PRECISION, 0.9)
    for scores, words in (
        ((good, good), ("", "too few posts")),
        ((bad, good), ("out of reach in A", "too few posts")),
        ((good, bad), ("out of reach in B", "too few posts")),
        ((bad, bad), ("out of reach", "too few posts")),
    ):
        told = compared(record_of(config, scores[0]), record_of(config, scores[1]), goal=precision)
        assert tuple(label.no_choice for label in told.labels) == words
        assert [label.at_best is None for label in told.labels] == [bool(word) for word in words]
        _, best, *_ = "\n".join(comparison_lines(told)).split("AP, and F1 on unseen posts")
        page = comparison_page(told)
        for label in told.labels:
            assert any(
                line.endswith(label.no_choice) for line in best.splitlines() if line.startswith(f"  {label.name} ")
            )
            assert f">{label.no_choice}<" in page or not label.no_choice
