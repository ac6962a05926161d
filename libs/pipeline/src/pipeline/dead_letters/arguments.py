"""The command line of `pipeline dead-letters`, turned into options."""

import argparse
import re
from collections.abc import Sequence
from typing import Any

from pipeline.arguments import OneLineParser, text, whole_number
from pipeline.dead_letters.move_task import FASTEST
from pipeline.dead_letters.options import ListOptions, Options, PurgeOptions, RedriveOptions, ShowOptions
from pipeline.dead_letters.queues import DEFAULT_PREFIX, NAMES
from pipeline.dead_letters.selection import Selection
from pipeline.errors import UserMistake

#: Messages a second of a redrive where the user has not said. Live posts wait behind what is redriven, so it must be
#: well below what the slowest stage works off beside its live traffic. Our own model judges some 200 posts a second on
#: two cores, and a larger one fewer: 20 leave most of that to live posts, and 2,000 dead letters take 100 s.
DEFAULT_RATE = 20
#: Messages that `show` gives at most: their bodies, of up to a mebibyte each, are all in memory.
MOST_SHOWN = 100
_LEAST_VISIBILITY, _MOST_VISIBILITY = 5, 43_200
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def options_from(arguments: Sequence[str]) -> Options:
    """What `pipeline` was asked for. Raises UserMistake; --help exits with 0."""
    given = vars(_parser().parse_args(arguments))
    kind = given.pop("kind")
    environment = given.pop("env")
    if environment is not None:
        given["prefix"] = f"tweet-alerts-{environment}-"
    if kind in (RedriveOptions, PurgeOptions):
        given["selection"] = Selection(
            reason=given.pop("reason") or "",
            service=given.pop("service") or "",
            older_than=given.pop("older_than"),
            newer_than=given.pop("newer_than"),
        )
    if kind is ShowOptions:
        # a default of argparse's would not count as given where the user gives the same
        given["first"] = given["first"] or 1
    if kind is RedriveOptions:
        given["rate"] = _checked_rate(given)
    options: Options = kind(**given)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="pipeline", description="Tools beside the services.", allow_abbrev=False)
    groups = parser.add_subparsers(metavar="COMMAND", required=True)
    about = "what lies in the dead-letter queues, and what becomes of it"
    dead_letters = groups.add_parser("dead-letters", help=about, description=about, allow_abbrev=False)
    commands = dead_letters.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, kind: type[Options], about: str, **queue: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about, allow_abbrev=False)
        added.set_defaults(kind=kind)
        added.add_argument("queue", choices=NAMES, metavar="QUEUE", help=", ".join(NAMES), **queue)
        _add_where(added)
        return added

    _add_json(command("list", ListOptions, "how many there are, how old, and why", nargs="?"))
    _add_show(command("show", ShowOptions, "messages whole, with all that is known of them"))
    _add_redrive(command("redrive", RedriveOptions, "send messages back to the queue that they come from"))
    _add_choice(command("purge", PurgeOptions, "delete messages for good"), "deleted")
    return parser


def _add_where(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "which queues",
        "By default those of the services' variables (POSTS_DEAD_LETTER_QUEUE_URL and so on), where they are set."
        " Region, endpoint and credentials are boto3's: AWS_REGION, AWS_ENDPOINT_URL_SQS, AWS_PROFILE.",
    )
    either = group.add_mutually_exclusive_group()
    prefix_help = f"what the queues' names begin with (default: {DEFAULT_PREFIX})"
    either.add_argument("--prefix", type=text, metavar="TEXT", help=prefix_help)
    either.add_argument(
        "--env", type=text, metavar="NAME", help="the environment: short for --prefix tweet-alerts-NAME-"
    )
    visibility_help = "for how long messages stay hidden if this command is killed (default: by their number)"
    group.add_argument("--visibility", type=_visibility, metavar="SECONDS", help=visibility_help)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_show(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    id_help = "its id here, or the one that it had in its queue, which the logs tell"
    which.add_argument("message_id", nargs="?", default="", metavar="MESSAGE_ID", help=id_help)
    which.add_argument("--first", type=_shown, metavar="N", help="so many, as they come")
    _add_json(parser)


def _add_redrive(parser: argparse.ArgumentParser) -> None:
    _add_choice(parser, "redriven")
    rate_help = f"messages a second, or unlimited (default: {DEFAULT_RATE}/s, so that live messages need not wait)"
    parser.add_argument("--rate", type=_rate, default=DEFAULT_RATE, metavar="N/s", help=rate_help)
    server_help = "have SQS move all of them by itself, with their old reasons (StartMessageMoveTask)"
    parser.add_argument("--by-server", action="store_true", help=server_help)


def _add_choice(parser: argparse.ArgumentParser, done: str) -> None:
    group = parser.add_argument_group(f"which messages are {done} (default: all)")
    group.add_argument("--reason", type=text, metavar="TEXT", help="those with this in their reason")
    group.add_argument("--service", type=text, metavar="NAME", help="those that this service gave up")
    group.add_argument("--older-than", type=_duration, metavar="TIME", help="such as 90s, 10m, 2h or 3d")
    group.add_argument("--newer-than", type=_duration, metavar="TIME")
    group.add_argument("--limit", type=_count, metavar="N", help="so many at most")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="only say which messages would be meant")


def _checked_rate(given: dict[str, Any]) -> int | None:
    """Raises UserMistake for what SQS' own way of moving cannot do."""
    rate: int | None = given["rate"]
    if given["by_server"]:
        if not given["selection"].is_everything or given["limit"] is not None or given["dry_run"]:
            raise UserMistake("--by-server: expected no filter, --limit or --dry-run beside it: SQS moves all messages")
        if rate is not None and rate > FASTEST:
            raise UserMistake(f"--rate: expected {FASTEST}/s at most, or unlimited, with --by-server, got {rate}/s")
    return rate


def _count(given: str) -> int:
    return whole_number(given, 1, None, "a whole number from 1 up")


def _shown(given: str) -> int:
    return whole_number(given, 1, MOST_SHOWN, f"a whole number from 1 to {MOST_SHOWN}")


def _visibility(given: str) -> int:
    expected = f"whole seconds from {_LEAST_VISIBILITY} to {_MOST_VISIBILITY:,}"
    return whole_number(given, _LEAST_VISIBILITY, _MOST_VISIBILITY, expected)


def _rate(given: str) -> int | None:
    if given == "unlimited":
        return None
    found = re.fullmatch(r"([1-9]\d{0,8})(/s)?", given, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(f"expected messages a second such as 20/s, or unlimited, got {given!r}")
    return int(found[1])


def _duration(given: str) -> float:
    found = re.fullmatch(r"(\d{1,9})([smhd])", given, re.ASCII)
    if not found:
        raise argparse.ArgumentTypeError(f"expected a time such as 90s, 10m, 2h or 3d, got {given!r}")
    return float(found[1]) * _UNITS[found[2]]
