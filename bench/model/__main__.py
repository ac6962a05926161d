"""The command behind `make bench-model`."""

import argparse
import os
import platform
import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.child_process import ChildProcess
from bench.command_line import options_of, progress, run, whole_number
from bench.model.bare_loop import bare_loop
from bench.model.endpoint import Endpoint
from bench.model.http_client import ClosedLoop, OneByOne, OpenLoop, http_client
from bench.model.measured import Measured
from bench.model.report import Figures, as_json, broken_bounds, table
from bench.model.texts import posts, repeated, request
from bench.pipeline.memory import Memory

#: Labels of a request.
_FEW, _MANY = 20, 100
#: Texts of a request, and requests at a time: what a classifier with several calls under way sends.
_LIST, _CONNECTIONS = 32, 8
#: Single texts at a time that keep the endpoint busy.
_SINGLES = 32
#: Seconds between two requests of an idle endpoint.
_PAUSE = 0.01
#: Texts of a list, and the longest in words, where memory is watched.
_MIXED_LIST, _MIXED_WORDS = 64, 220
_SAMPLES = 40
_LONGEST = 300.0


def main() -> None:
    """Exits with 0; with 1 when it could not measure, or with --check when a bound is broken; 2 for a mistake."""
    options = _options()
    run("bench-model", lambda: _figures(options), table, broken_bounds, as_json, check=options.check)


def _options() -> argparse.Namespace:
    parser = options_of("model", "The model endpoint over HTTP against a bare loop of the same model", rounds=5)
    parser.add_argument("--threads", type=whole_number, default=2, help="of the model (default: %(default)s)")
    parser.add_argument("--posts", type=whole_number, default=1920, help="of each measurement (default: %(default)s)")
    parser.add_argument("--idle-posts", type=whole_number, default=300, help="one by one (default: %(default)s)")
    parser.add_argument(
        "--poisson-seconds", type=whole_number, default=20, help="at half the capacity (default: %(default)s)"
    )
    parser.add_argument(
        "--memory-posts", type=whole_number, default=6400, help="that memory is watched over (default: %(default)s)"
    )
    return parser.parse_args()


def _figures(options: argparse.Namespace) -> Figures:
    texts = posts(os.environ)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoint = stack.enter_context(Endpoint(options.threads, folder / "log"))
        bare = stack.enter_context(bare_loop(options.threads))
        client = stack.enter_context(http_client(endpoint.host, endpoint.port))
        measure = _Measure(texts, endpoint, bare, client)
        measure.rounds(1, min(options.posts, 320), "warm-up")
        few, many, limit = measure.rounds(options.rounds, options.posts, "rounds")
        idle = measure.idle(options.idle_posts)
        capacity = measure.single_texts_per_s(options.posts)
        busy = measure.busy(capacity / 2, options.poisson_seconds)
        return Figures(
            options.threads,
            options.posts,
            platform.python_version(),
            few,
            many,
            limit,
            idle,
            busy,
            capacity,
            measure.memory(options.memory_posts),
        )


class _Measure:
    """The endpoint and the bare loop, of which one runs at a time."""

    def __init__(self, texts: list[str], endpoint: Endpoint, bare: ChildProcess, client: ChildProcess) -> None:
        self._texts = texts
        self._endpoint = endpoint
        self._bare = bare
        self._client = client

    def rounds(self, rounds: int, count: int, what: str) -> tuple[list[Measured], list[Measured], list[Measured]]:
        """What `count` posts take: with few labels, with many, and in the bare loop; by turns in each round."""
        texts = repeated(self._texts, count)
        lists = [texts[first : first + _LIST] for first in range(0, count, _LIST)]
        few, many = (ClosedLoop([request(each, labels) for each in lists], _CONNECTIONS) for labels in (_FEW, _MANY))
        runs: tuple[list[Measured], list[Measured], list[Measured]] = ([], [], [])
        ways: list[Callable[[], Measured]] = [
            lambda: self._over_http(few),
            lambda: self._over_http(many),
            lambda: self._bare.ask(texts, _LONGEST),
        ]
        tell = progress(what, rounds)
        for number in range(rounds):
            for way in (0, 2, 1) if number % 2 == 0 else (1, 2, 0):
                runs[way].append(ways[way]())
            tell(number + 1)
        return runs

    def _over_http(self, order: ClosedLoop) -> Measured:
        before = self._endpoint.processor_seconds()
        seconds = self._client.ask(order, _LONGEST)
        return Measured(seconds, self._endpoint.processor_seconds() - before)

    def idle(self, count: int) -> list[float]:
        """Seconds of single texts that have the endpoint for themselves."""
        return self._singles(OneByOne(self._requests(count), _PAUSE))

    def single_texts_per_s(self, count: int) -> float:
        """What the endpoint bears of single texts: as many at a time as keep it busy, each a request of its own."""
        return count / float(self._client.ask(ClosedLoop(self._requests(count), _SINGLES), _LONGEST))

    def busy(self, rate: float, seconds: float) -> list[float]:
        """Seconds of single texts that arrive at so many a second, each by itself."""
        return self._singles(OpenLoop(self._requests(max(20, int(rate * seconds))), rate, seed=7))

    def memory(self, count: int) -> Memory:
        """Of the endpoint, over lists of texts of all lengths up to the longest that it reads."""
        words = " ".join(self._texts).split()
        chance = random.Random(7)
        step = max(_MIXED_LIST, count // _SAMPLES // _MIXED_LIST * _MIXED_LIST)
        resident = []
        tell = progress("posts that memory is watched over", count)
        for done in range(0, count, step):
            lists = [
                [" ".join(chance.sample(words, chance.randint(1, _MIXED_WORDS))) for _ in range(_MIXED_LIST)]
                for _ in range(step // _MIXED_LIST)
            ]
            self._client.ask(ClosedLoop([request(each, _FEW) for each in lists], _CONNECTIONS), _LONGEST)
            resident.append(self._endpoint.resident())
            tell(done + step)
        return Memory(count, resident[max(1, len(resident) // 10) :] or resident)

    def _requests(self, count: int) -> list[bytes]:
        return [request(text, _FEW) for text in repeated(self._texts, count)]

    def _singles(self, order: OneByOne | OpenLoop) -> list[float]:
        return self._client.ask(order, _LONGEST)  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
