"""The command line, turned into Settings."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from simulator.settings import Mistake, Settings


class _OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line: the usage text would hide what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise Mistake(f"{message} (see --help)")


def settings_from(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from the command line and X_BEARER_TOKEN or X_BEARER_TOKEN_FILE. Raises Mistake; --help exits with 0."""
    given = vars(_parser().parse_args(arguments))
    token = given.pop("bearer_token") or environment.get("X_BEARER_TOKEN", "") or _token_from_file(environment)
    posts = tuple(given.pop("posts"))
    return Settings(bearer_token=token, posts=posts, **given)


def _token_from_file(environment: Mapping[str, str]) -> str:
    path = environment.get("X_BEARER_TOKEN_FILE", "")
    try:
        return Path(path).read_text().strip() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"X_BEARER_TOKEN_FILE: expected a readable file, got {path!r} ({error})") from error


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="x-simulator",
        description="A stand-in for the X API v2 filtered stream. Playing starts with the first connection.",
        allow_abbrev=False,
    )
    _add_posts_options(parser.add_argument_group("what is played"))
    _add_api_options(parser.add_argument_group("the API"))
    return parser


def _add_posts_options(group: argparse._ArgumentGroup) -> None:
    file_help = 'JSON lines: X stream payloads, or {"post": payload, ...}'
    group.add_argument("--posts", nargs="+", type=Path, default=[], metavar="FILE", help=file_help)
    rate_help = "posts per second (default: as fast as they are read)"
    group.add_argument("--rate", type=float, metavar="N", help=rate_help)
    group.add_argument("--pace", choices=["recorded"], help="keep the distances of data.created_at")
    group.add_argument("--speed", type=float, default=1.0, metavar="N", help="with --pace: N times as fast")
    group.add_argument("--restamp", action="store_true", help="data.created_at becomes the moment of sending")
    group.add_argument("--repeat-every", type=int, metavar="N", help="send every Nth post a second time")
    group.add_argument("--loop", action="store_true", help="play for ever, fresh ids from the second pass on")
    then_help = "what happens to the stream after the last post (default: %(default)s)"
    group.add_argument("--then", choices=["keep-open", "close"], default="keep-open", help=then_help)
    ledger_help = "JSON lines of what was written, and when; an old file is replaced"
    group.add_argument("--ledger", type=Path, metavar="FILE", help=ledger_help)


def _add_api_options(group: argparse._ArgumentGroup) -> None:
    def add(option: str, kind: type, default: float | str, metavar: str, meaning: str) -> None:
        meaning = f"{meaning} (default: %(default)s)"
        group.add_argument(option, type=kind, default=default, metavar=metavar, help=meaning)

    where = "default: the environment variable X_BEARER_TOKEN, which does not show in ps"
    group.add_argument("--bearer-token", metavar="TOKEN", help=where)
    add("--host", str, "127.0.0.1", "ADDRESS", "address to bind")
    add("--port", int, 0, "N", "0 picks a free one and prints it")
    add("--connections", int, 1, "N", "streams that may be open at a time")
    add("--keep-alive", float, 20.0, "SECONDS", "silence before a blank line is sent")
    add("--write-timeout", float, 60.0, "SECONDS", "a reader that takes nothing for so long is cut off")
    add("--project-cap", int, 3_000_000, "N", "posts a month that GET /2/usage/tweets tells of")
    add("--project-usage", int, 0, "N", "posts used of it at the start")
    add("--max-rules", int, 1000, "N", "rules that the account may have")
    faults_help = "JSON: faults that act one after the other, as for POST /simulator/faults"
    group.add_argument("--faults", type=Path, metavar="FILE", help=faults_help)
