"""The command line, the table, proposals that YAML reads back, and what is said while an endpoint is away."""

import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.evaluate.arguments import options_from
from classifier.evaluate.exact import exact
from classifier.evaluate.goal import Goal, Measure
from classifier.evaluate.options import Options, Output
from classifier.evaluate.page import report_page
from classifier.evaluate.progress import Progress
from classifier.evaluate.proposal import proposal_lines, scalar
from classifier.evaluate.report import Report
from classifier.evaluate.table import columns, report_lines
from classifier.evaluate.waiting import Waiting
from pipeline.errors import Unavailable, UserMistake
from pipeline.yaml_text import load_yaml
from tests.support.labelled_trials import config_of, record_of, report_of, row


def report(goal: Goal | None = None) -> Report:
    """40 posts, of which flood gets all right from 0.14 on; fire has one post."""
    config = config_of('[{name: flood, threshold: 0.5}, {name: fire, threshold: 0.4}, {name: "1.5", threshold: 0.2}]')
    rows = [
        row(
            f"a text that says {number}",
            "flood" if number % 2 else "fire" if number == 2 else "none",
            {"flood": (0.3 if number % 2 else 0.1) + number / 1000, "fire": 0.0, "1.5": 0.0},
        )
        for number in range(40)
    ]
    return report_of(record_of(config, rows), goal)[0]


def test_options() -> None:
    assert options_from(["posts.jsonl"]) == Options(file="posts.jsonl")
    assert options_from(["-", "--json", "--precision", "0.9", "--worst", "0"]) == Options(
        file="-", output=Output.JSON, goal=Goal(Measure.PRECISION, 0.9), worst=0
    )
    given = ["p", "--labels-as", "a=b", "--labels-as", "c = d=e", "--recall", "1", "--timeout", "2.5"]
    options = options_from(given)
    assert (options.labels_as, options.goal, options.timeout) == (
        {"a": "b", "c = d": "e"},
        Goal(Measure.RECALL, 1.0),
        2.5,
    )
    assert options_from(["p", "--compare", "b.yaml", "--compare-endpoint", "c"]).compares


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: LABELLED.JSONL"),
        (["p", "q"], "unrecognized arguments: q"),
        (["p", "--precision", "90"], "expected a number above 0, up to 1, such as 0.9, got '90'"),
        (["p", "--recall", "nan"], "expected a number above 0, up to 1, such as 0.9, got 'nan'"),
        (["p", "--precision", "0.9", "--recall", "0.9"], "not allowed with argument"),
        (["p", "--json", "--propose"], "not allowed with argument"),
        (["p", "--labels-as", "cyber"], "expected NAME=LABEL such as 'cybersecurity=cyber attack', got 'cyber'"),
        (["p", "--worst", "-1"], "expected"),
        (["p", "--worst", "51"], "expected a whole number from 0 to 50, got '51'"),
        (["p", "--timeout", "0"], "expected a number of seconds above 0, got '0'"),
        (["p", "--html", ""], "expected a text that is not empty"),
        (["p", "--propose", "--compare", "x"], "--propose: expected no --compare beside it"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(arguments: list[str], said: str) -> None:
    with pytest.raises(UserMistake) as mistake:
        options_from(arguments)
    assert said in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_proposal_is_yaml_that_can_be_pasted() -> None:
    told = "\n".join(proposal_lines(report()))
    proposed = load_yaml(told, "proposal")
    assert proposed["tuned_for"] == "minilm"
    assert [label["name"] for label in proposed["labels"]] == ["flood", "fire", "1.5"]
    flood, fire, other = (label["threshold"] for label in proposed["labels"])
    assert 0.138 < flood <= 0.301
    assert (fire, other) == (0.4, 0.2), "of what is not known enough nothing is invented"
    assert "# 20 posts: precision 1.00 (0.84-1.00), recall 1.00" in told
    assert "    # as it was: 1 different post about it: too few to choose a threshold by, 10 at least\n" in told


def test_a_proposed_threshold_lets_pass_what_it_was_chosen_to() -> None:
    """Of scores so close together that six digits do not tell them apart, rounded up it would let pass nothing."""
    config = config_of("[{name: flood, threshold: 0.1234567}, {name: fire, threshold: 0.9999999}]")
    rows = [
        row(f"a text that says {number}", "flood" if number % 2 else "none", {"flood": score, "fire": 0.0})
        for number in range(40)
        for score in [0.9999999 if number % 2 else 0.9999998]
    ]
    told = report_of(record_of(config, rows))[0]
    [choice, _] = [label.choice for label in told.labels]
    assert choice is not None
    flood, fire = load_yaml("\n".join(proposal_lines(told)), "proposal")["labels"]
    assert (flood["threshold"], fire["threshold"]) == (0.9999999, 0.9999999)
    assert any(
        line.startswith("    # unseen: ") and line.endswith("; it was 0.1234567") for line in proposal_lines(told)
    )
    for lines in (report_lines(told), [report_page(told)]):
        text = "\n".join(lines)
        assert "0.1234567" in text
        assert "0.9999999" in text


def test_a_small_threshold_is_a_number_in_yaml() -> None:
    assert load_yaml(f"threshold: {exact(0.0000012)}", "x") == {"threshold": 0.0000012}


@given(st.text(st.characters()))
def test_whatever_a_model_is_called_yaml_reads_it_back(name: str) -> None:
    assert load_yaml(f"name: {scalar(name)}", "x") == {"name": name}
    assert "\n" not in scalar(name)


@pytest.mark.parametrize(
    "name",
    [
        "flood",
        "cyber attack",
        "1.5",
        "yes",
        "null",
        "a: b",
        "x # y",
        "- a",
        "a\nb",
        '"',
        "[",
        "",
        "m: \U0001f600",
        "\x85\u2028",
    ],
)
def test_names_are_quoted_where_yaml_would_read_something_else(name: str) -> None:
    assert load_yaml(f"name: {scalar(name)}", "x") == {"name": name}


def test_the_table_says_all_that_there_is() -> None:
    lines = list(report_lines(report()))
    text = "\n".join(lines)
    assert lines[0] == "40 posts of posts.jsonl, labels of alerts.yaml, endpoint minilm"
    assert lines[1] == "10 posts/s, 4 calls of the endpoint (1 failed), 20 % answered without the model"
    [flood] = [line.split() for line in lines if line.startswith("  flood") and "0.5" in line.split()]
    assert flood == ["flood", "20", "0.5", "-", "0.00", "0.00", "1.00"]
    assert "  fire: 1 different post about it: too few" in text
    assert "flood: 20 missed; what passed instead: nothing (20)" in text
    assert "  0.30 missed, line 2: a text that says 1" in lines


def test_columns_line_up() -> None:
    assert list(columns(("label", "n"), [("a", "1"), ("longer name", "100")])) == [
        "  label          n",
        "  a              1",
        "  longer name  100",
    ]


def test_the_json_has_its_documented_shape() -> None:
    told = json.loads(msgspec.json.encode(report(Goal(Measure.RECALL, 0.9))))
    assert told["v"] == 1
    assert told["goal"] == "recall of 0.9 at least"
    assert set(told) == {
        *("v", "at", "file", "config", "config_version", "endpoint", "model", "goal", "posts", "left_out", "refused"),
        *("refused_posts", "remarks", "labels", "overall", "speed"),
    }
    flood, fire, _ = told["labels"]
    assert set(flood) == {
        *("name", "support", "threshold", "now", "average_precision", "choice", "no_choice", "vetoed", "not_asked"),
        *("missed", "false_alarms", "worst", "curve", "histogram"),
    }
    assert set(flood["now"]) == {"hits", "passed", "support", "precision", "precision_interval", "recall", "f1"}
    assert set(flood["choice"]) == {"threshold", "figures", "cross_validated", "doubt"}
    assert fire["choice"] is None
    assert all(len(point) == 3 for point in flood["curve"])
    assert len(flood["histogram"]["about"]) == len(flood["histogram"]["others"]) == 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_endpoint_that_is_away_is_told_once_until_it_answers() -> None:
    clock, said = Clock(), list[str]()
    trouble: str | None = "connection\x1b[31m refused"
    waiting = Waiting("model endpoint m", lambda: trouble, said.append, None, clock)
    for clock.now in (0.5, 2.5, 5.0, 500.0):
        waiting.look(0)
    assert said == ["waiting for model endpoint m: connection refused (Ctrl-C ends it)"]
    waiting.look(1)
    clock.now = 503.0
    waiting.look(1)
    assert len(said) == 2
    trouble = None
    waiting.look(2)
    clock.now = 510.0
    waiting.look(2)
    assert len(said) == 2, "it is up and takes its time"


def test_patience_can_have_an_end() -> None:
    clock = Clock()
    waiting = Waiting("model endpoint m", lambda: "refused", lambda _: None, 10.0, clock)
    clock.now = 9.0
    waiting.look(3)
    clock.now = 18.0
    waiting.look(3)
    clock.now = 19.5
    with pytest.raises(Unavailable, match=r"^model endpoint m: no answer within 10 s: refused$"):
        waiting.look(3)


def test_a_bar_is_for_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, is_drawn in ((Terminal(), True), (io.StringIO(), False)):
        with Progress(stream, "evaluating", 10) as progress:
            progress.show(4)
        assert bool(stream.getvalue()) == is_drawn
