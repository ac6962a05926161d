"""The command line of `stream-getter rules`, turned into options."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.arguments import OneLineParser, text, whole_number
from stream_getter.x.rules.wanted import Bounds

#: Seconds that a rate limit is waited for: one window of X's is 15 minutes, and clocks differ.
DEFAULT_WAIT = 960


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the commands have in common. ``config`` are places as ALERTS_CONFIG names them; None means those."""

    config: str | None = None
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckOptions(Options):
    """`check`: the file alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOptions(Options):
    """`list`: the rules at X."""

    wait: int = DEFAULT_WAIT
    json: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanOptions(Options):
    """`plan`: what `apply` would do."""

    wait: int = DEFAULT_WAIT
    adopt: bool = False
    delete_unmanaged: bool = False
    exit_code: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyOptions(Options):
    """`apply`: what differs is changed."""

    wait: int = DEFAULT_WAIT
    adopt: bool = False
    delete_unmanaged: bool = False
    yes: bool = False


def options_from(arguments: Sequence[str]) -> Options:
    """What `stream-getter rules` was asked for. Raises UserMistake; --help exits with 0."""
    given = vars(_parser().parse_args(arguments))
    kind = given.pop("kind")
    if "max_rules" in given:
        given["bounds"] = Bounds(given.pop("max_rules"), given.pop("max_length"))
    options: Options = kind(**given)
    return options


def _parser() -> argparse.ArgumentParser:
    about = "X's rules as code: the list `rules` of config/alerts.yaml, checked and brought to X."
    parser = OneLineParser(prog="stream-getter rules", description=about, allow_abbrev=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, kind: type[Options], about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        added.set_defaults(kind=kind)
        return added

    plan = command("plan", PlanOptions, "what apply would do, with X's own verdict; changes nothing")
    _add_file(plan)
    _add_foreign(plan)
    _add_wait(plan)
    exit_help = "end with 3 where anything differs, 0 where nothing does"
    plan.add_argument("--exit-code", action="store_true", help=exit_help)
    apply = command("apply", ApplyOptions, "adds and deletes what differs, and looks whether X has it so")
    _add_file(apply)
    _add_foreign(apply)
    _add_wait(apply)
    apply.add_argument("--yes", action="store_true", help="do not ask before rules are deleted")
    shown = command("list", ListOptions, "the rules at X, and which of them are managed here")
    _add_wait(shown)
    shown.add_argument("--json", action="store_true", help="for programs")
    _add_file(command("check", CheckOptions, "every mistake in the file's rules; needs no network and no token"))
    return parser


def _add_file(parser: argparse.ArgumentParser) -> None:
    config_help = "the file, s3://bucket/key or ssm:/parameter (default: ALERTS_CONFIG, or config/alerts.yaml)"
    parser.add_argument("--config", type=text, metavar="PLACE", help=config_help)
    group = parser.add_argument_group(
        "what the account may have (Enterprise accounts: 25,000 rules or more, and 2,048)"
    )
    bounds = Bounds()
    rules_help = f"rules (default: {bounds.rules:,})"
    group.add_argument("--max-rules", type=_rules, default=bounds.rules, metavar="N", help=rules_help)
    length_help = f"characters of a rule (default: {bounds.length:,})"
    group.add_argument("--max-length", type=_length, default=bounds.length, metavar="N", help=length_help)


def _add_foreign(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rules at X that this file does not manage (default: left alone)")
    adopt_help = "take over those that the file has too: deleted, and added with its tag"
    group.add_argument("--adopt", action="store_true", help=adopt_help)
    group.add_argument("--delete-unmanaged", action="store_true", help="take those over, and delete all others")


def _add_wait(parser: argparse.ArgumentParser) -> None:
    wait_help = f"how long X's rate limit is waited for, 0 for not at all (default: {DEFAULT_WAIT})"
    parser.add_argument("--wait", type=_seconds, default=DEFAULT_WAIT, metavar="SECONDS", help=wait_help)


def _rules(given: str) -> int:
    return _number(given, 1, 1_000_000)


def _length(given: str) -> int:
    return _number(given, 1, 2048)


def _seconds(given: str) -> int:
    return _number(given, 0, 86_400)


def _number(given: str, least: int, most: int) -> int:
    return whole_number(given, least, most, f"a whole number from {least:,} to {most:,}")
