"""What the benchmarks have in common as commands: options, progress, and how they end."""

import argparse
import json
import sys
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from bench.child_process import ChildFailed
from bench.pipeline.comparison import NotDone

F = TypeVar("F")


def run(
    name: str,
    measure: Callable[[], F],
    table: Callable[[F], str],
    broken_bounds: Callable[[F], list[str]],
    as_json: Callable[[F], dict[str, Any]],
    *,
    check: bool,
) -> None:
    """Measures, prints the table, what is out of bounds, and one line of JSON; then it ends the process.

    It exits with 0; with 1 when it could not measure, or with ``check`` when a bound is broken; 130 for Ctrl-C.
    """
    try:
        figures = measure()
    except (ChildFailed, NotDone, BotoCoreError, ClientError) as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    broken = broken_bounds(figures)
    out_of_bounds = [f"out of bounds: {line}" for line in broken]
    sys.stdout.write("\n".join([table(figures), *out_of_bounds, json.dumps(as_json(figures)), ""]))
    sys.exit(1 if broken and check else 0)


def whole_number(text: str) -> int:
    """An option's value from 1 on. Raises ArgumentTypeError, and ValueError for what is no number."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {number}")
    return number


def options_of(program: str, about: str, rounds: int, servers: Collection[str] = ()) -> argparse.ArgumentParser:
    """A parser with the options that benchmarks share; those of a queue's server where there are ``servers``."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{program}", description=f"{about}; see bench/README.md.")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a figure is out of its bounds")
    parser.add_argument("--rounds", type=whole_number, default=rounds, help="each gives a ratio (default: %(default)s)")
    if servers:
        parser.add_argument("--server", choices=servers, default="quick", help="what is called (default: %(default)s)")
        parser.add_argument(
            "--latency-ms", type=float, default=5.0, help="that the server quick adds to a call (default: %(default)s)"
        )
    return parser


def progress(what: str, of: int) -> Callable[[int], None]:
    """Tells on a terminal how far it is, and nothing elsewhere."""

    def tell(number: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if number >= of else ""
            sys.stderr.write(f"\r{what}: {number} of {of}{end}")
            sys.stderr.flush()

    return tell
