"""The rules of config/alerts.yaml, which say what is read from X: what they mean, and each mistake in one line."""

import pytest

from pipeline.alerts_config import parse_alerts_config
from pipeline.errors import UserMistake

VALID = """\
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""


def mistake_in(content: str) -> str:
    with pytest.raises(UserMistake) as caught:
        parse_alerts_config(content, "alerts.yaml")
    return str(caught.value)


def test_rules_are_xs_own_words_with_a_tag_or_without() -> None:
    config = parse_alerts_config(
        f"""{VALID}
rules:
  - value: (flood OR "high water") lang:en
    tag: water
  - value: >
      wildfire
      lang:en
  - {{value: "Überschwemmung 🌊 \\u200d", tag: "Flut 🌊"}}
""",
        "alerts.yaml",
    )
    assert config.rules is not None
    assert [(rule.text, rule.tag) for rule in config.rules] == [
        ('(flood OR "high water") lang:en', "water"),
        ("wildfire lang:en", None),
        ("Überschwemmung 🌊 \u200d", "Flut 🌊"),
    ]


def test_no_rules_at_all_are_something_else_than_none_given() -> None:
    assert parse_alerts_config(f"{VALID}rules: []\n", "alerts.yaml").rules == []
    assert parse_alerts_config(f"{VALID}rules:\n", "alerts.yaml").rules is None


def test_a_rule_may_be_as_long_as_enterprise_accounts_have_it() -> None:
    config = parse_alerts_config(f"{VALID}rules: [{{value: {'é' * 2048}, tag: {'é' * 200}}}]\n", "alerts.yaml")
    assert config.rules is not None
    assert len(config.rules[0].text) == 2048


VALUE = "a rule of X of 1 to 2,048 characters on one line"
TAG = "a tag of 1 to 200 characters on one line, without blanks around it"


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ("flood", "rules: expected a list, got 'flood'"),
        ("[flood]", "rules[0]: expected the keys value, tag, got 'flood'"),
        ("[{tag: a}]", f"rules[0].value: expected {VALUE}, got nothing"),
        ("[{value: a, tags: b}]", "rules[0]: expected one of the keys value, tag, got 'tags'"),
        ("[{value: 7}]", f"rules[0].value: expected {VALUE}, got 7"),
        ('[{value: a}, {value: ""}]', f"rules[1].value: expected {VALUE}, got ''"),
        ('[{value: "  "}]', "rules[0].value: expected more than blanks, got '  '"),
        (r'[{value: "a\nb"}]', rf"rules[0].value: expected {VALUE}, got 'a\nb'"),
        (r'[{value: "a\e[31m"}]', rf"rules[0].value: expected {VALUE}, got 'a\x1b[31m'"),
        (r'[{value: "\ud800"}]', rf"rules[0].value: expected {VALUE}, got '\ud800'"),
        (f"[{{value: {'a' * 2049}}}]", f"rules[0].value: expected {VALUE}, got '{'a' * 58}…"),
        ('[{value: a, tag: ""}]', f"rules[0].tag: expected {TAG}, got ''"),
        ('[{value: a, tag: " b"}]', f"rules[0].tag: expected {TAG}, got ' b'"),
        (r'[{value: a, tag: "b\n"}]', rf"rules[0].tag: expected {TAG}, got 'b\n'"),
        (r'[{value: a, tag: "b\x7f"}]', rf"rules[0].tag: expected {TAG}, got 'b\x7f'"),
        (f"[{{value: a, tag: {'b' * 201}}}]", f"rules[0].tag: expected {TAG}, got '{'b' * 58}…"),
        (
            '[{value: a b}, {value: c}, {value: " a b ", tag: other}]',
            "rules[2].value: expected a value used once, got 'a b', which is rules[0] already",
        ),
    ],
)
def test_a_mistake_in_a_rule_is_one_line(rules: str, line: str) -> None:
    assert mistake_in(f"{VALID}rules: {rules}\n") == f"alerts.yaml: {line}"
