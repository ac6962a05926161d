"""The command behind `make bench-pipeline`."""

import argparse
import json
import platform
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from bench.child_process import ChildFailed
from bench.pipeline.comparison import Compared, NotDone, comparison
from bench.pipeline.memory import Memory, measure_memory
from bench.pipeline.report import Figures, as_json, broken_bounds, table
from bench.pipeline.servers import SERVERS


def main() -> None:
    """Exits with 0; with 1 when it could not measure, or with --check when a bound is broken; 2 for a mistake."""
    options = _options()
    try:
        figures = _figures(options)
    except (ChildFailed, NotDone, BotoCoreError, ClientError) as error:
        sys.exit(f"bench-pipeline: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(table(figures))
    broken = broken_bounds(figures)
    for line in broken:
        print(f"out of bounds: {line}")
    print(json.dumps(as_json(figures)))
    sys.exit(1 if broken and options.check else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.pipeline",
        description="pipeline's reader and writer against a bare loop of boto3; see bench/README.md.",
    )
    parser.add_argument("--server", choices=SERVERS, default="quick", help="what is called (default: %(default)s)")
    parser.add_argument("--rounds", type=_number, default=7, help="each gives a ratio (default: %(default)s)")
    parser.add_argument("--messages", type=_number, default=700, help="of each measurement (default: %(default)s)")
    parser.add_argument(
        "--latency-ms", type=float, default=5.0, help="that the server quick adds to a call (default: %(default)s)"
    )
    parser.add_argument(
        "--memory-messages", type=_number, default=200_000, help="that memory is watched over (default: %(default)s)"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 where a figure is out of its bounds")
    return parser.parse_args()


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, got {number}")
    return number


def _figures(options: argparse.Namespace) -> Figures:
    late, at_once = _comparisons(options)
    return Figures(
        options.server,
        options.latency_ms / 1000 if late else 0.0,
        options.rounds,
        options.messages,
        platform.python_version(),
        late,
        at_once,
        _memory(options.memory_messages),
    )


def _comparisons(options: argparse.Namespace) -> tuple[list[Compared], list[Compared]]:
    with SERVERS[options.server](options.latency_ms / 1000) as server, comparison(server) as against:

        def compare(url: str, messages: int, what: str) -> list[Compared]:
            against.warm_up(url)
            return against.compare(url, options.rounds, messages, _progress(what, options.rounds))

        late = compare(server.late_url, options.messages, "rounds with latency") if server.late_url else []
        # where a call takes a fifth of the time, twice as many are still the shorter measurement
        return late, compare(server.url, options.messages * (2 if late else 1), "rounds at once")


def _memory(messages: int) -> Memory:
    return measure_memory(messages, messages // 20, _progress("messages in the ring", messages))


def _progress(what: str, of: int) -> Callable[[int], None]:
    """Tells on a terminal how far it is, and nothing elsewhere."""

    def tell(number: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if number >= of else ""
            print(f"\r{what}: {number} of {of}", end=end, file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    main()
