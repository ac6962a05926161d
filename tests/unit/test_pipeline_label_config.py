"""The labels of config/alerts.yaml: what each key means, and each mistake in one line."""

import pytest

from pipeline.alerts_config import parse_alerts_config
from pipeline.errors import UserMistake
from pipeline.label_config import Label

REST = """
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""
KEYS = "name, threshold, description, hypothesis, only_rules, unless, examples, counter_examples"
WORDS = "a text of 1 to 200 characters"
EXAMPLE = "a text of 1 to 1,000 characters"


def labels(yaml: str, rest: str = REST) -> list[Label]:
    return parse_alerts_config(f"labels: {yaml}{rest}", "alerts.yaml").labels


def mistake_in(yaml: str, rest: str = REST) -> str:
    with pytest.raises(UserMistake) as caught:
        labels(yaml, rest)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith("alerts.yaml: ")
    return said.removeprefix("alerts.yaml: ")


def flood(keys: str) -> str:
    return f"[{{name: flood, threshold: 0.5, {keys}}}]"


def test_all_keys_are_read() -> None:
    (label,) = labels(
        """
  - name: flood
    threshold: 0.5
    description: rising water
    hypothesis: "People flee from {}."
    only_rules: [water, weather]
    unless: [a film, a flood of mail]
    examples: ["the dam broke: run"]
    counter_examples: ["flooded with mail"]
"""
    )
    assert label == Label(
        name="flood",
        threshold=0.5,
        description="rising water",
        hypothesis="People flee from {}.",
        only_rules=["water", "weather"],
        unless=["a film", "a flood of mail"],
        examples=["the dam broke: run"],
        counter_examples=["flooded with mail"],
    )


def test_name_and_threshold_are_enough() -> None:
    (label,) = labels("[{name: flood, threshold: 1}]")
    assert label == Label(name="flood", threshold=1.0)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("{}", "It is about flood."),
        ("{description: rising water}", "It is about rising water."),
        ("{hypothesis: 'Water: {}!'}", "Water: flood!"),
        ("{hypothesis: 'Water: {}!', description: rising water}", "Water: rising water!"),
        ("{hypothesis: The dam broke.}", "The dam broke."),
    ],
)
def test_the_sentence_that_posts_are_compared_with(keys: str, sentence: str) -> None:
    (label,) = labels(f"[{{name: flood, threshold: 0.5, {keys[1:-1]}}}]")
    assert label.sentence("It is about {}.") == sentence


def test_a_post_may_be_as_long_an_example_as_posts_are() -> None:
    (label,) = labels(flood(f"examples: ['{'é' * 1000}'], counter_examples: [{', '.join(map(str, ['a'] * 1))}]"))
    assert label.examples
    assert len(label.examples[0]) == 1000


MISTAKES = [
    # one label by itself
    (
        "[{threshold: 0.5}]",
        "labels[0].name: expected up to 50 letters, digits, spaces and . _ / -, a letter or digit first, got nothing",
    ),
    (
        r'[{name: "flood\n", threshold: 0.5}]',
        "labels[0].name: expected up to 50 letters, digits, spaces and . _ / -, a letter or digit first, "
        r"got 'flood\n'",
    ),
    (flood("describtion: a"), f"labels[0]: expected one of the keys {KEYS}, got 'describtion'"),
    (flood("description: ''"), f"labels[0].description: expected {WORDS}, got ''"),
    (flood("description: '  '"), f"labels[0].description: expected {WORDS}, got '  '"),
    (flood(f"description: {'a' * 201}"), f"labels[0].description: expected {WORDS}, got '{'a' * 58}…"),
    (flood(r'description: "a\ud800"'), rf"labels[0].description: expected {WORDS}, got 'a\ud800'"),
    (flood("description: [a]"), f"labels[0].description: expected {WORDS}, got ['a']"),
    (flood("hypothesis: ''"), f"labels[0].hypothesis: expected {WORDS}, got ''"),
    (
        flood("hypothesis: '{} or {}'"),
        "labels[0].hypothesis: expected at most one {} for the description, got '{} or {}'",
    ),
    (
        flood("hypothesis: The dam broke., description: rising water"),
        "labels[0].hypothesis: expected one {} where the description goes, or no description, got 'The dam broke.'",
    ),
    (flood("only_rules: water"), "labels[0].only_rules: expected a list of 1 to 100 tags of rules, got 'water'"),
    (flood("only_rules: []"), "labels[0].only_rules: expected a list of 1 to 100 tags of rules, got []"),
    (flood("only_rules: ['']"), "labels[0].only_rules[0]: expected the tag of a rule, got ''"),
    (flood("only_rules: [7]"), "labels[0].only_rules[0]: expected the tag of a rule, got 7"),
    (flood("unless: a film"), "labels[0].unless: expected a list of 1 to 20 texts or names of labels, got 'a film'"),
    (flood("unless: []"), "labels[0].unless: expected a list of 1 to 20 texts or names of labels, got []"),
    (flood("unless: [a film, '']"), f"labels[0].unless[1]: expected {WORDS}, got ''"),
    (
        flood(f"unless: [{', '.join(f'film {number}' for number in range(21))}]"),
        "labels[0].unless: expected a list of 1 to 20 texts or names of labels, got ['film 0', 'film 1',",
    ),
    (flood("unless: [flood]"), "labels[0].unless[0]: expected another label than this one, got 'flood'"),
    (
        flood("description: rising water, unless: [a film, rising water]"),
        "labels[0].unless[1]: expected another label than this one, got 'rising water'",
    ),
    (
        flood("examples: the dam broke"),
        "labels[0].examples: expected a list of 1 to 50 texts of posts, got 'the dam broke'",
    ),
    (flood("examples: []"), "labels[0].examples: expected a list of 1 to 50 texts of posts, got []"),
    (flood("examples: [a, ' ']"), f"labels[0].examples[1]: expected {EXAMPLE}, got ' '"),
    (flood("examples: [a, 7]"), f"labels[0].examples[1]: expected {EXAMPLE}, got 7"),
    (flood(r'examples: ["a\udfff"]'), rf"labels[0].examples[0]: expected {EXAMPLE}, got 'a\udfff'"),
    (flood(f"examples: [{'a' * 1001}]"), f"labels[0].examples[0]: expected {EXAMPLE}, got '{'a' * 58}…"),
    (flood("counter_examples: []"), "labels[0].counter_examples: expected a list of 1 to 50 texts of posts, got []"),
    (
        flood("examples: [a, b], counter_examples: [c, b]"),
        "labels[0].counter_examples[1]: expected a text that is not among the label's examples, got 'b'",
    ),
    (
        flood(f"examples: [{'b' * 100}], counter_examples: [{'b' * 100}]"),
        f"labels[0].counter_examples[0]: expected a text that is not among the label's examples, got '{'b' * 59}…'",
    ),
    # labels taken together
    (
        "[{name: flood, threshold: 0.5}, {name: Flood, threshold: 0.5, description: water}]",
        "labels[1].name: expected a name used once, got 'Flood', which is labels[0] already",
    ),
    (
        "[{name: flood, threshold: 0.5}, {name: b, threshold: 0.5, description: flood}]",
        "labels[1].description: expected words of its own, got those of label 'flood'",
    ),
    (
        "[{name: flood, threshold: 0.5}, {name: b, threshold: 0.5, hypothesis: This post is about flood.}]",
        "labels[1].hypothesis: expected words of its own, got those of label 'flood'",
    ),
    (
        "[{name: a, threshold: 0.5, hypothesis: It broke.}, {name: b, threshold: 0.5, hypothesis: It broke.}]",
        "labels[1].hypothesis: expected words of its own, got those of label 'a'",
    ),
    (
        "[{name: a, threshold: 0.5, hypothesis: It broke.}, "
        "{name: b, threshold: 0.5, description: It, hypothesis: '{} broke.'}]",
        "labels[1].hypothesis: expected words of its own, got those of label 'a'",
    ),
]


@pytest.mark.parametrize(("yaml", "line"), MISTAKES)
def test_a_mistake_is_one_line_with_key_expected_and_got(yaml: str, line: str) -> None:
    said = mistake_in(yaml)
    assert said.startswith(line)
    assert len(said) < 250


RULES = REST + "rules: [{value: flood, tag: water}, {value: smoke}, {value: storm, tag: weather}]\n"


def test_tags_of_the_files_own_rules_are_known() -> None:
    (label,) = labels(flood("only_rules: [weather, water]"), RULES)
    assert label.only_rules == ["weather", "water"]


@pytest.mark.parametrize(
    ("rest", "known"),
    [(RULES, "water, weather"), (REST + "rules: []\n", "none"), (REST + "rules: [{value: a}]\n", "none")],
)
def test_a_tag_that_no_rule_of_the_file_has_is_a_mistake(rest: str, known: str) -> None:
    said = mistake_in(flood("only_rules: [water, wather]" if known != "none" else "only_rules: [wather]"), rest)
    number = 0 if known == "none" else 1
    assert said == f"labels[0].only_rules[{number}]: expected a tag of this file's rules ({known}), got 'wather'"


def test_without_rules_in_the_file_any_tag_may_be_one_of_xs() -> None:
    assert labels(flood("only_rules: [whatever]"))[0].only_rules == ["whatever"]


def test_sentences_that_differ_by_the_files_template_alone_are_different() -> None:
    both = "[{name: flood, threshold: 0.5}, {name: b, threshold: 0.5, hypothesis: This post is about flood.}]"
    assert len(labels(both, REST + "hypothesis_template: 'Here: {}.'\n")) == 2


@pytest.mark.parametrize("template", ["no place", "{} and {}"])
def test_a_template_without_its_place_is_named_before_labels_that_it_makes_alike(template: str) -> None:
    said = mistake_in(
        "[{name: a, threshold: 0.5}, {name: b, threshold: 0.5}]", f"{REST}hypothesis_template: '{template}'\n"
    )
    assert said == f"hypothesis_template: expected one {{}} where the label goes, got '{template}'"


@pytest.mark.parametrize("template", ["''", r'"a \ud800 {}"', f"'{'a' * 200}{{}}'"])
def test_a_template_is_a_text_of_some_length(template: str) -> None:
    assert mistake_in(flood("description: a"), f"{REST}hypothesis_template: {template}\n").startswith(
        f"hypothesis_template: expected {WORDS}, got "
    )


def test_a_template_has_no_brace_that_means_something_else() -> None:
    said = mistake_in(flood("description: a"), f"{REST}hypothesis_template: 'a {{x}} {{}}'\n")
    assert said == "hypothesis_template: expected no brace beside {}, got 'a {x} {}'"


@pytest.mark.parametrize(
    ("count", "length", "line"),
    [
        (2000, 5, None),
        (2001, 5, "labels: expected at most 2,000 examples and counter-examples in all, got 2,001"),
        (500, 1000, None),
        (
            501,
            1000,
            "labels: expected examples and counter-examples of at most 500,000 characters in all, got 501,000",
        ),
    ],
)
def test_all_examples_together_fit_into_a_request(count: int, length: int, line: str | None) -> None:
    texts = [f"{number:0{length}}" for number in range(count)]
    made = []
    for number, first in enumerate(range(0, count, 100)):
        examples, counters = texts[first : first + 50], texts[first + 50 : first + 100]
        keys = f", examples: {examples}" + (f", counter_examples: {counters}" if counters else "")
        made.append(f"{{name: label {number}, threshold: 0.5{keys}}}")
    yaml = f"[{', '.join(made)}]"
    if line is None:
        labels(yaml)
    else:
        assert mistake_in(yaml) == line
