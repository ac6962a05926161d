"""The rules that config/alerts.yaml asks for, checked as far as this machine can."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.alerts_config import AlertsConfig
from pipeline.errors import UserMistake
from stream_getter.x.rules.syntax import mistake_in
from stream_getter.x.rules.tags import tag_at_x


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the account has: rules, and characters of each ("Filtered stream: introduction").

    Enterprise accounts have 25,000 rules or more, of up to 2,048 characters.
    """

    rules: int = 1000
    length: int = 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule as X is to have it, its tag as X is to have it too."""

    value: str
    tag: str


def wanted_rules(config: AlertsConfig, file: str, bounds: Bounds) -> list[Wanted]:
    """The rules in the order of the file. Raises UserMistake for the first that is wrong, and without a list."""
    for mistake in mistakes_in(config, file, bounds):
        raise UserMistake(mistake)
    if config.rules is None:
        # an empty list means "none", and a missing one "not from here": to take one for the other empties the stream
        raise UserMistake(f"{file}: rules: expected a list of X's rules, got nothing")
    return [Wanted(rule.text, tag_at_x(rule.tag)) for rule in config.rules]


def mistakes_in(config: AlertsConfig, file: str, bounds: Bounds) -> Iterator[str]:
    """Each mistake in one line, with the file, the key, what was expected and what was found."""
    rules = config.rules or []
    if len(rules) > bounds.rules:
        yield f"{file}: rules: expected at most {bounds.rules:,} rules (see --max-rules), got {len(rules):,}"
    for index, rule in enumerate(rules):
        key = f"{file}: rules[{index}].value"
        if len(rule.text) > bounds.length:
            allowed = f"at most {bounds.length:,} characters (see --max-length)"
            yield f"{key}: expected {allowed}, got {len(rule.text):,}"
        elif mistake := mistake_in(rule.text):
            yield f"{key}: {mistake}"
