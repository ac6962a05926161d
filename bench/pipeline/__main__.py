"""The command behind `make bench-pipeline`."""

import argparse
import platform

from bench.command_line import options_of, progress, run, whole_number
from bench.pipeline.comparison import Compared, comparison
from bench.pipeline.memory import Memory, measure_memory
from bench.pipeline.report import Figures, as_json, broken_bounds, table
from bench.pipeline.servers import SERVERS


def main() -> None:
    """Exits with 0; with 1 when it could not measure, or with --check when a bound is broken; 2 for a mistake."""
    options = _options()
    run("bench-pipeline", lambda: _figures(options), table, broken_bounds, as_json, check=options.check)


def _options() -> argparse.Namespace:
    parser = options_of(
        "pipeline", "pipeline's reader and writer against a bare loop of boto3", rounds=7, servers=SERVERS
    )
    parser.add_argument("--messages", type=whole_number, default=700, help="of each measurement (default: %(default)s)")
    parser.add_argument(
        "--memory-messages",
        type=whole_number,
        default=200_000,
        help="that memory is watched over (default: %(default)s)",
    )
    return parser.parse_args()


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
            return against.compare(url, options.rounds, messages, progress(what, options.rounds))

        late = compare(server.late_url, options.messages, "rounds with latency") if server.late_url else []
        # where a call takes a fifth of the time, twice as many are still the shorter measurement
        return late, compare(server.url, options.messages * (2 if late else 1), "rounds at once")


def _memory(messages: int) -> Memory:
    return measure_memory(messages, messages // 20, progress("messages in the ring", messages))


if __name__ == "__main__":
    main()
