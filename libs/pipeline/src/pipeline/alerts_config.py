"""config/alerts.yaml, the one file that a user edits: labels, X's rules, channels, routes.

Reading it raises UserMistake with one line that names the file, the key, what was expected, and what was found.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pipeline.config_places import read_config_file
from pipeline.document_errors import describe
from pipeline.errors import UserMistake
from pipeline.label_config import PLACEHOLDER, Label, Words, check_labels
from pipeline.text import cut
from pipeline.yaml_text import load_yaml

#: Characters that one rule may have at X: its Enterprise limit ("Filtered stream: introduction"). Most accounts have
#: half of it, which the services need not know.
_RULE_LENGTH = 2048
#: Control characters, and what UTF-8 or SQS cannot carry: a tag travels with each post.
_NOT_IN_RULES = r"\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
RuleValue = Annotated[
    str,
    msgspec.Meta(
        # $ lets one line end pass at the end: YAML's folded texts have it
        pattern=rf"^[^{_NOT_IN_RULES}]+$",
        max_length=_RULE_LENGTH,
        title=f"a rule of X of 1 to {_RULE_LENGTH:,} characters on one line",
    ),
]
RuleTag = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^[^\s{_NOT_IN_RULES}]([^{_NOT_IN_RULES}]*[^\s{_NOT_IN_RULES}])?\Z",
        max_length=200,
        title="a tag of 1 to 200 characters on one line, without blanks around it",
    ),
]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which posts are read: a rule in X's own words, and the tag that its posts bring along.

    Several rules may have the same tag. Nothing here knows X's grammar; ``stream-getter rules check`` does.
    """

    value: RuleValue
    tag: RuleTag | None = None

    @property
    def text(self) -> str:
        """The value as X keeps it: without blanks around it."""
        return self.value.strip()


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A way to reach people. Where it leads (a topic, an address) is told by the environment."""

    type: Annotated[Literal["stdout", "sns"], msgspec.Meta(title="stdout or sns")]


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which channels hear of which labels (without ``labels``: of all). The first route that matches counts."""

    channels: Annotated[list[str], msgspec.Meta(min_length=1, title="a list of at least one channel")]
    labels: Annotated[list[str], msgspec.Meta(min_length=1, title="a list of at least one label")] | None = None

    def matches(self, label: str) -> bool:
        """Whether this route is for the label."""
        return self.labels is None or label in self.labels


class AlertsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. ``hypothesis_template`` has a {} where a label's words go; ``ops`` are channels for notices.

    ``tuned_for`` names the model that the thresholds were made for: the scores of another mean something else.
    ``rules`` say which posts are read; ``stream-getter rules`` brings them to X, whose own are left alone without it.
    """

    labels: Annotated[list[Label], msgspec.Meta(min_length=1, title="a list of at least one label")]
    channels: Annotated[dict[str, Channel], msgspec.Meta(min_length=1, title="at least one channel by its name")]
    routes: Annotated[list[Route], msgspec.Meta(min_length=1, title="a list of at least one route")]
    ops: list[str] = []
    hypothesis_template: Words = "This post is about {}."
    tuned_for: Annotated[str, msgspec.Meta(min_length=1, max_length=200, title="the name of a model")] | None = None
    rules: list[Rule] | None = None


def read_alerts_config(path: Path) -> AlertsConfig:
    """The checked configuration in one file. Raises UserMistake."""
    document = read_config_file(path)
    return parse_alerts_config(document.text, document.place)


def parse_alerts_config(content: str, file: str) -> AlertsConfig:
    """The checked configuration in a text; ``file`` is its name in errors. Raises UserMistake."""
    document = load_yaml(content, file)
    try:
        config = msgspec.convert(document, AlertsConfig)
    except msgspec.ValidationError as error:
        raise UserMistake(f"{file}: {describe(error, document, AlertsConfig)}") from error
    _check_references(config, file)
    return config


def _check_references(config: AlertsConfig, file: str) -> None:
    _check_template(config.hypothesis_template, file)
    tags = None if config.rules is None else {rule.tag or "" for rule in config.rules}
    check_labels(config.labels, config.hypothesis_template, tags, file)
    _check_rules(config.rules or [], file)
    names = [label.name for label in config.labels]
    for index, route in enumerate(config.routes):
        for name in route.labels or []:
            _check_known(file, f"routes[{index}].labels", "label", name, names)
        for name in route.channels:
            _check_known(file, f"routes[{index}].channels", "channel", name, list(config.channels))
    for name in config.ops:
        _check_known(file, "ops", "channel", name, list(config.channels))
    for index, name in enumerate(names):
        if not any(route.matches(name) for route in config.routes):
            raise UserMistake(
                f"{file}: labels[{index}].name: expected at least one route for each label, got none for {name!r}"
            )


def _check_template(template: str, file: str) -> None:
    if template.count(PLACEHOLDER) != 1:
        raise UserMistake(
            f"{file}: hypothesis_template: expected one {PLACEHOLDER} where the label goes, got {template!r}"
        )
    # Hugging Face's toolkit puts the label in by str.format, to which every brace means something
    if template.count("{") + template.count("}") > len(PLACEHOLDER):
        raise UserMistake(f"{file}: hypothesis_template: expected no brace beside {PLACEHOLDER}, got {template!r}")


def _check_rules(rules: list[Rule], file: str) -> None:
    first_use: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if not rule.text:
            raise UserMistake(f"{file}: rules[{index}].value: expected more than blanks, got {rule.value!r}")
        # X refuses a second rule of the same value, whatever its tag
        earlier = first_use.setdefault(rule.text, index)
        if earlier != index:
            raise UserMistake(
                f"{file}: rules[{index}].value: expected a value used once, got {cut(rule.text, 60)!r}, "
                f"which is rules[{earlier}] already"
            )


def _check_known(file: str, key: str, kind: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise UserMistake(f"{file}: {key}: expected a {kind} of this file ({', '.join(known)}), got {name!r}")
