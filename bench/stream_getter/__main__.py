"""The command behind `make bench-stream-getter`."""

import argparse
import itertools
import platform
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from bench.child_process import ChildProcess
from bench.command_line import options_of, progress, run, whole_number
from bench.pipeline.comparison import NotDone
from bench.pipeline.memory import Memory
from bench.pipeline.servers import SERVERS, Server
from bench.quick_sqs import QuickSqs
from bench.quick_sqs.queue import SINK
from bench.stream_getter.client import Delay, Measured, Order, client_process, measured, memory_process
from bench.stream_getter.parsing import parse_posts_per_s
from bench.stream_getter.report import Figures, as_json, broken_bounds, table
from bench.stream_getter.stream_server import StreamServer
from bench.stream_getter.ways import WAYS, Errand
from demo.stack import client

#: A call a post takes so much longer that a share of the posts is the same measurement.
_SINGLE_SHARE = 8
_SAMPLES = 200
_WARM_UP = 100
#: Seconds between two posts of a quiet stream.
_QUIET = 0.1
#: Seconds between two samples of the memory, at most.
_PATIENCE = 120.0


def main() -> None:
    """Exits with 0; with 1 when it could not measure, or with --check when a bound is broken; 2 for a mistake."""
    options = _options()
    run("bench-stream-getter", lambda: _figures(options), table, broken_bounds, as_json, check=options.check)


def _options() -> argparse.Namespace:
    parser = options_of(
        "stream_getter",
        "stream-getter from the socket to the queue, against bare loops of boto3",
        rounds=5,
        servers=SERVERS,
    )
    parser.add_argument("--posts", type=whole_number, default=6000, help="of each measurement (default: %(default)s)")
    parser.add_argument("--senders", type=whole_number, default=1, help="requests at a time (default: %(default)s)")
    parser.add_argument(
        "--quiet-posts", type=whole_number, default=100, help="a tenth of a second apart, for the delay"
    )
    parser.add_argument("--parse-posts", type=whole_number, default=20_000, help="that are parsed, five times")
    parser.add_argument(
        "--memory-posts",
        type=whole_number,
        default=1_000_000,
        help="that memory is watched over (default: %(default)s)",
    )
    return parser.parse_args()


def _figures(options: argparse.Namespace) -> Figures:
    parsed = parse_posts_per_s(options.parse_posts)
    posts = {way: max(1, options.posts // (_SINGLE_SHARE if way == "single" else 1)) for way in WAYS}
    with StreamServer(_QUIET) as stream:
        with SERVERS[options.server](options.latency_ms / 1000) as server, ExitStack() as stack:
            clients = {way: stack.enter_context(client_process(way)) for way in WAYS}
            measure = _Measure(server, stream, clients, options.senders)
            runs = measure.rounds(options.rounds, posts)
            delay = measure.delay(options.quiet_posts)
            latency = server.latency if server.late_url else 0.0
        memory = _memory(stream, options.memory_posts)
    return Figures(
        options.server, latency, posts, options.senders, platform.python_version(), runs, parsed, delay, memory
    )


class _Measure:
    """The clients of all ways at one server."""

    def __init__(self, server: Server, stream: StreamServer, clients: Mapping[str, ChildProcess], senders: int) -> None:
        self._url = server.late_url or server.url
        self._sqs = client("sqs", server.url)
        self._stream = stream
        self._clients = clients
        self._senders = senders
        self._numbers = itertools.count()

    def rounds(self, rounds: int, posts: Mapping[str, int]) -> dict[str, list[Measured]]:
        """All ways in each round, by turns, for what comes first may find the machine in another state."""
        for way in WAYS:
            self._ask(way, self._stream.fast, min(posts[way], _WARM_UP))
        runs: dict[str, list[Measured]] = {way: [] for way in WAYS}
        tell = progress("rounds", rounds)
        for number in range(rounds):
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                runs[way].append(self._ask(way, self._stream.fast, posts[way]))
            tell(number + 1)
        return runs

    def delay(self, posts: int) -> Delay:
        """What ours adds to a post of a quiet stream."""
        return self._ask("ours", self._stream.slow, posts, delay=True)  # type: ignore[no-any-return]

    def _ask(self, way: str, api_url: str, posts: int, *, delay: bool = False) -> Any:
        queue = self._sqs.create_queue(QueueName=f"posts-{next(self._numbers)}")["QueueUrl"]
        try:
            order = Order(way, self._url, Errand(api_url, queue, posts, self._senders), delay)
            answer = measured(self._clients[way], order)
            attributes = self._sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
            if (found := int(attributes["ApproximateNumberOfMessages"])) != posts:
                raise NotDone(f"{way}: expected {posts} messages in {queue} afterwards, got {found}")
        finally:
            self._sqs.delete_queue(QueueUrl=queue)
        return answer


def _memory(stream: StreamServer, posts: int) -> Memory:
    """One long errand of ours at the benchmark's own server, which keeps nothing; the first part warms up."""
    step = max(1, posts // _SAMPLES)
    samples = posts // step
    warm_up = max(1, samples // 20)
    resident = []
    tell = progress("posts that memory is watched over", posts)
    with QuickSqs() as server:
        queue = client("sqs", server.urls[0]).create_queue(QueueName=f"posts{SINK}")["QueueUrl"]
        errand = Errand(stream.fast, queue, (samples + warm_up) * step, senders=2)
        with memory_process(server.urls[0], errand, step) as process:
            for number in range(samples + warm_up):
                resident.append(process.listen(_PATIENCE))
                tell(max(0, number + 1 - warm_up) * step)
    return Memory(samples * step, resident[warm_up:])


if __name__ == "__main__":
    main()
