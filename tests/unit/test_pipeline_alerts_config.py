"""config/alerts.yaml: what a valid file means, and each mistake in one line."""

import re
from pathlib import Path

import pytest

from pipeline.alerts_config import parse_alerts_config, read_alerts_config
from pipeline.errors import UserMistake
from pipeline.label_config import Label

SHIPPED = Path(__file__).parent.parent.parent / "config/alerts.yaml"

VALID = """\
labels:
  - name: flood
    description: rising water
    threshold: 0.5
  - name: wildfire
    threshold: 1
channels:
  terminal: {type: stdout}
  desk: {type: sns}
routes:
  - labels: [flood]
    channels: [desk, terminal]
  - channels: [terminal]
ops: [terminal]
hypothesis_template: "A post on {}."
tuned_for: minilm
"""


def mistake_in(content: str) -> str:
    with pytest.raises(UserMistake) as caught:
        parse_alerts_config(content, "alerts.yaml")
    return str(caught.value)


def test_a_valid_file_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(VALID.replace("rising water", "Überschwemmung"), encoding="utf-8")
    config = read_alerts_config(file)
    assert [(label.name, label.threshold) for label in config.labels] == [("flood", 0.5), ("wildfire", 1.0)]
    assert {name: channel.type for name, channel in config.channels.items()} == {"terminal": "stdout", "desk": "sns"}
    assert [(route.labels, route.channels) for route in config.routes] == [
        (["flood"], ["desk", "terminal"]),
        (None, ["terminal"]),
    ]
    assert (config.ops, config.hypothesis_template) == (["terminal"], "A post on {}.")
    assert config.tuned_for == "minilm"


def test_a_label_is_judged_by_its_description_or_else_its_name() -> None:
    flood, wildfire = parse_alerts_config(VALID, "alerts.yaml").labels
    assert (flood.candidate, wildfire.candidate) == ("rising water", "wildfire")


def test_a_route_without_labels_matches_all() -> None:
    named, general = parse_alerts_config(VALID, "alerts.yaml").routes
    assert (named.matches("flood"), named.matches("wildfire")) == (True, False)
    assert (general.matches("flood"), general.matches("wildfire")) == (True, True)


def test_what_may_be_left_out_has_a_default() -> None:
    config = parse_alerts_config(VALID[: VALID.index("ops:")], "alerts.yaml")
    assert (config.ops, config.hypothesis_template) == ([], "This post is about {}.")
    assert config.tuned_for is None
    assert config.rules is None


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(VALID, encoding="utf-8-sig")
    assert read_alerts_config(file).labels[0].name == "flood"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=["Windows", "old Macintosh"])
def test_line_ends_of_other_systems_are_no_mistake(tmp_path: Path, line_end: bytes) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_bytes(VALID.encode().replace(b"\n", line_end))
    assert read_alerts_config(file) == parse_alerts_config(VALID, "alerts.yaml")


def test_the_shipped_file_is_valid() -> None:
    assert len(read_alerts_config(SHIPPED).labels) > 1


def test_the_shipped_file_is_for_the_shipped_model() -> None:
    assert read_alerts_config(SHIPPED).tuned_for == "minilm"


def test_the_shipped_examples_of_rules_and_of_a_labels_keys_are_valid() -> None:
    example = re.sub("^#(?=rules:|  )", "", SHIPPED.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert parse_alerts_config(SHIPPED.read_text(encoding="utf-8"), "alerts.yaml").rules is None
    config = parse_alerts_config(example, "alerts.yaml")
    assert [rule.tag for rule in config.rules or []] == ["earthquake", "power outage"]
    (label,) = (label for label in config.labels if label.examples)
    assert all(getattr(label, key) for key in Label.__struct_fields__)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        # keys
        (
            "    threshold: 0.5",
            "    treshold: 0.5",
            "labels[0]: expected one of the keys name, threshold, description, hypothesis, only_rules, unless, "
            "examples, counter_examples, got 'treshold'",
        ),
        (
            "ops:",
            "opps:",
            "the file: expected one of the keys labels, channels, routes, ops, hypothesis_template, tuned_for, "
            "rules, got 'opps'",
        ),
        ("type: sns", "typ: sns", "channels.desk: expected one of the keys type, got 'typ'"),
        ("    threshold: 0.5\n", "", "labels[0].threshold: expected a number from 0 to 1, got nothing"),
        ("{type: sns}", "{}", "channels.desk.type: expected stdout or sns, got nothing"),
        ("{type: sns}", "", "channels.desk: expected the keys type, got nothing"),
        ("desk: {", "7: {", "channels: expected texts as keys, got 7"),
        (
            "    threshold: 0.5",
            "    threshold: 0.5\n    threshold: 0.6",
            'line 5: expected each key once, got: found duplicate key "threshold"',
        ),
        ("ops: [", "labels: []\nops: [", 'line 14: expected each key once, got: found duplicate key "labels"'),
        # values
        ("0.5", "1.5", "labels[0].threshold: expected a number from 0 to 1, got 1.5"),
        ("0.5", "-0.1", "labels[0].threshold: expected a number from 0 to 1, got -0.1"),
        ("0.5", ".nan", "labels[0].threshold: expected a number from 0 to 1, got nan"),
        ("0.5", "high", "labels[0].threshold: expected a number from 0 to 1, got 'high'"),
        ("0.5", '"0.5"', "labels[0].threshold: expected a number from 0 to 1, got '0.5'"),
        ("0.5", "true", "labels[0].threshold: expected a number from 0 to 1, got True"),
        ("0.5", "", "labels[0].threshold: expected a number from 0 to 1, got nothing"),
        ("rising water", '""', "labels[0].description: expected a text of 1 to 200 characters, got ''"),
        ("type: sns", "type: fax", "channels.desk.type: expected stdout or sns, got 'fax'"),
        (
            "name: wildfire",
            'name: "wild\\nfire"',
            "labels[1].name: expected up to 50 letters, digits, spaces and . _ / -, a letter or digit first, "
            r"got 'wild\nfire'",
        ),
        ("tuned_for: minilm", "tuned_for: 4", "tuned_for: expected the name of a model, got 4"),
        ("tuned_for: minilm", 'tuned_for: ""', "tuned_for: expected the name of a model, got ''"),
        ("ops: [terminal]", "ops: terminal", "ops: expected a list, got 'terminal'"),
        # empty lists
        ("labels: [flood]", "labels: []", "routes[0].labels: expected a list of at least one label, got []"),
        ("channels: [terminal]", "channels: []", "routes[1].channels: expected a list of at least one channel, got []"),
        # references
        (
            "name: wildfire",
            "name: flood",
            "labels[1].name: expected a name used once, got 'flood', which is labels[0] already",
        ),
        (
            "name: wildfire",
            "name: FLOOD",
            "labels[1].name: expected a name used once, got 'FLOOD', which is labels[0] already",
        ),
        (
            "name: wildfire",
            "name: wildfire\n    description: rising water",
            "labels[1].description: expected words of its own, got those of label 'flood'",
        ),
        (
            "description: rising water",
            "description: wildfire",
            "labels[1].description: expected words of its own, got those of label 'flood'",
        ),
        (
            "[desk, terminal]",
            "[desk, mail]",
            "routes[0].channels: expected a channel of this file (terminal, desk), got 'mail'",
        ),
        (
            "labels: [flood]",
            "labels: [fire]",
            "routes[0].labels: expected a label of this file (flood, wildfire), got 'fire'",
        ),
        ("ops: [terminal]", "ops: [pager]", "ops: expected a channel of this file (terminal, desk), got 'pager'"),
        (
            "  - channels: [terminal]\n",
            "",
            "labels[1].name: expected at least one route for each label, got none for 'wildfire'",
        ),
        ("on {}", "on it", "hypothesis_template: expected one {} where the label goes, got 'A post on it.'"),
        ("on {}", "on {}{}", "hypothesis_template: expected one {} where the label goes, got 'A post on {}{}.'"),
        # not YAML, and values that YAML itself trips over
        ("ops: [terminal]", "ops: [terminal", "line 15: expected YAML, got: expected ',' or ']', but got ':'"),
        (
            "    threshold: 1\n",
            "\tthreshold: 1\n",
            "line 6: expected YAML, got: found character '\\t' that cannot start any token",
        ),
        (
            "name: flood",
            "name: !!python/name:os.system",
            "line 2: expected YAML, got: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/name:os.system'",
        ),
        ("name: flood", "name: 2026-13-01", "expected YAML, got: month must be in 1..12"),
        (
            "flood\n",
            "flood\x00\n",
            "expected YAML, got: unacceptable character #x0000: special characters are not allowed",
        ),
        ("labels:", "---\na: 1\n---\nlabels:", "line 3: expected YAML, got: found another document"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_expected_and_got(old: str, new: str, line: str) -> None:
    assert old in VALID
    said = mistake_in(VALID.replace(old, new, 1))
    assert said == f"alerts.yaml: {line}"
    assert "\n" not in said


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("labels", "a list of at least one label, got []"),
        ("routes", "a list of at least one route, got []"),
    ],
)
def test_an_empty_section_is_a_mistake(key: str, expected: str) -> None:
    lists = {"labels": "[{name: a, threshold: 1}]", "channels": "{t: {type: stdout}}", "routes": "[{channels: [t]}]"}
    content = "\n".join(f"{name}: {value}" for name, value in (lists | {key: "[]"}).items())
    assert mistake_in(content) == f"alerts.yaml: {key}: expected {expected}"


def test_no_channels_are_a_mistake() -> None:
    content = "labels: [{name: a, threshold: 1}]\nchannels: {}\nroutes: [{channels: [t]}]"
    assert mistake_in(content) == "alerts.yaml: channels: expected at least one channel by its name, got {}"


@pytest.mark.parametrize(("content", "found"), [("", "nothing"), ("- a", "['a']"), ("words", "'words'")])
def test_a_document_of_another_kind_is_a_mistake(content: str, found: str) -> None:
    keys = "labels, channels, routes, ops, hypothesis_template, tuned_for, rules"
    assert mistake_in(content) == f"alerts.yaml: the file: expected the keys {keys}, got {found}"


def test_nesting_without_end_is_one_line_too() -> None:
    assert mistake_in("[" * 1000).startswith("alerts.yaml: expected YAML, got: maximum recursion depth exceeded")


def test_a_long_value_is_cut() -> None:
    assert len(mistake_in(VALID.replace("0.5", "a" * 5000))) < 200
    assert len(mistake_in(VALID + f"labels: [{'a' * 5000}]\n")) < 200


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    with pytest.raises(UserMistake) as caught:
        read_alerts_config(file)
    assert str(caught.value) == f"{file}: expected a readable file, got: No such file or directory"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserMistake) as caught:
        read_alerts_config(tmp_path)
    assert str(caught.value) == f"{tmp_path}: expected a readable file, got: Is a directory"


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text(VALID.replace("rising water", "Überschwemmung"), encoding="latin-1")
    with pytest.raises(UserMistake) as caught:
        read_alerts_config(file)
    assert str(caught.value) == f"{file}: expected a readable file, got: not UTF-8"
