"""The command behind `make bench-classifier`."""

import argparse
import platform
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.classifier.client import client_process
from bench.classifier.cores import Cores, split_cores
from bench.classifier.model_books import ModelBooks
from bench.classifier.posts import Posts
from bench.classifier.queues import Queues
from bench.classifier.quiet import quiet
from bench.classifier.report import AtEndpoint, Figures, as_json, broken_bounds, table
from bench.classifier.reposts import judged
from bench.classifier.rounds import Bench, Endpoint
from bench.classifier.service import read_labels, running_service
from bench.classifier.stub_endpoint import Speed, running_stub
from bench.command_line import options_of, progress, run, whole_number
from bench.pipeline.comparison import NotDone
from bench.pipeline.servers import SERVERS, Server
from pipeline.errors import UserMistake
from tests.support.model_process import running_model
from tests.support.service_process import Run, running_services

_STUB_WAYS = ("ours", "sample", "direct", "carry")
_REAL_WAYS = ("ours", "sample", "direct")
#: A call a post takes so much longer that a share of the posts is the same measurement.
_SAMPLE_SHARE = {"stub": 12, "real": 4}
_WARM_UP_SHARE = 8


def main() -> None:
    """Exits with 0; with 1 when it could not measure, or with --check when a bound is broken; 2 for a mistake."""
    options = _options()
    run("bench-classifier", lambda: _measured(options), table, broken_bounds, as_json, check=options.check)


def _options() -> argparse.Namespace:
    parser = options_of(
        "classifier",
        "classifier against the AWS sample's way and against the endpoint alone",
        rounds=3,
        servers=SERVERS,
    )
    parser.add_argument("--posts", type=whole_number, default=2400, help="of a measurement at the stub")
    parser.add_argument("--model-posts", type=whole_number, default=800, help="of a measurement at the real model")
    parser.add_argument("--slots", type=whole_number, default=1, help="calls that the stub serves at once")
    parser.add_argument("--quiet-posts", type=whole_number, default=60, help="a tenth of a second apart, for the delay")
    parser.add_argument(
        "--repost-posts", type=whole_number, default=100_000, help="of the stream with reposts (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=7, help="of the reposts and of the quiet stream's pace")
    return parser.parse_args()


def _measured(options: argparse.Namespace) -> Figures:
    try:
        return _figures(options)
    except UserMistake as mistake:  # in config/alerts.yaml, whose labels are asked about
        raise NotDone(str(mistake)) from mistake


def _figures(options: argparse.Namespace) -> Figures:
    cores, posts, rng = split_cores(), Posts(), random.Random(options.seed)
    speed = Speed(slots=options.slots)
    with tempfile.TemporaryDirectory() as name, cores.for_others(), running_services(Path(name)) as start:
        folder = Path(name)
        with SERVERS[options.server](options.latency_ms / 1000) as server:
            latency = server.latency if server.late_url else 0.0
            measure = _Measure(options, server, start, folder, posts, rng)
            with running_stub(speed, cores) as stub:
                stub_found = measure.at(Endpoint("stub", stub.url, stub.books), _STUB_WAYS, options.posts)
            with _real_model(folder, cores) as model:
                real_found = measure.at(model, _REAL_WAYS, options.model_posts)
        reposts = judged(start, folder, cores, posts, options.repost_posts, rng)
    return Figures(
        options.server,
        latency,
        options.rounds,
        str(cores),
        platform.python_version(),
        speed,
        stub_found,
        real_found,
        reposts,
    )


@contextmanager
def _real_model(folder: Path, cores: Cores) -> Iterator[Endpoint]:
    """Our own model with one thread, on its core. Raises NotDone where it does not start."""
    with ExitStack() as stack:
        try:
            with cores.for_model():
                model = stack.enter_context(running_model(folder / "model.log", "--threads", "1"))
        except (RuntimeError, TimeoutError) as error:
            raise NotDone(str(error)) from error
        yield Endpoint("real", model.url, ModelBooks(model.url))


class _Measure:
    """Everything that is done at one endpoint after the other, at one server."""

    def __init__(
        self, options: argparse.Namespace, server: Server, start: Run, folder: Path, posts: Posts, rng: random.Random
    ) -> None:
        self._options = options
        self._queues = Queues(server)
        self._start = start
        self._folder = folder
        self._posts = posts
        self._rng = rng

    def at(self, endpoint: Endpoint, ways: tuple[str, ...], posts: int) -> AtEndpoint:
        """Raises NotDone and ChildFailed."""
        road = self._queues.road(endpoint.name)
        service = running_service(self._start, self._folder, self._queues, endpoint.url, road)
        with client_process() as client, service as ours:
            bench = Bench(endpoint, self._queues, client, ours, read_labels(), self._posts)
            sizes = dict.fromkeys(ways, posts) | {"sample": max(1, posts // _SAMPLE_SHARE[endpoint.name])}
            callers = bench.warm_up({way: max(1, size // _WARM_UP_SHARE) for way, size in sizes.items()})
            tell = progress(f"rounds at the {endpoint.name} endpoint", self._options.rounds)
            runs = bench.rounds(sizes, self._options.rounds, tell)
            delays = quiet(bench, self._options.quiet_posts, self._rng, progress("quiet streams", 2))
        return AtEndpoint(runs, delays, callers)


if __name__ == "__main__":
    main()
