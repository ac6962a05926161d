"""Rounds of measurements at one endpoint, all ways by turns, and whether each of them did its work."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.child_process import ChildProcess
from bench.classifier.client import Measured, Order, measured
from bench.classifier.posts import Posts, texts_of
from bench.classifier.queues import Queues, Sent
from bench.classifier.service import Cost, Service
from bench.classifier.stub_endpoint import Books
from bench.classifier.ways import Errand, Labels
from bench.pipeline.comparison import NotDone
from pipeline.contracts import Post

#: By how much a score may be on the wrong side of its threshold: a model's figures vary with what else is in a call.
TOLERANCE = 0.02
#: Numbers of threads that are tried for the endpoint's limit.
_CALLERS = (2, 4, 8)
#: Threads that carry messages past all models.
_CARRIERS = 4


@dataclass(frozen=True)
class Run:
    """One way with so many posts. Calls and texts are by the books of server and endpoint; None: nobody counted them.

    ``alerts`` are those that came.
    """

    posts: int
    seconds: float
    processor_seconds: float
    sqs_calls: int | None = None
    endpoint_calls: int = 0
    endpoint_texts: int = 0
    alerts: int = 0


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that runs. ``books`` tells what it was asked since the last time that it told."""

    name: str
    url: str
    books: Callable[[], Books]


class Bench:
    """One endpoint, the service before it, and the client that goes the other ways."""

    def __init__(
        self, endpoint: Endpoint, queues: Queues, client: ChildProcess, service: Service, labels: Labels, posts: Posts
    ) -> None:
        self.endpoint = endpoint
        self.queues = queues
        self.service = service
        self.posts = posts
        self.road = queues.road(f"bare-{endpoint.name}")
        self._client = client
        self._labels = labels
        self._callers = _CALLERS[0]

    def warm_up(self, posts: Mapping[str, int]) -> int:
        """Every way once, not counted; and how many callers it takes to get the most out of the endpoint."""
        self.round(list(posts), posts)
        texts = texts_of(self.posts.distinct(2 * posts["direct"]))
        self._callers = min(_CALLERS, key=lambda callers: self._ask("direct", texts=texts, threads=callers).seconds)
        return self._callers

    def rounds(self, posts: Mapping[str, int], rounds: int, tell: Callable[[int], None]) -> dict[str, list[Run]]:
        """All ways in each round, by turns, for what comes first may find the machine in another state.

        ``posts`` are those of each way. Raises NotDone and ChildFailed.
        """
        ways = list(posts)
        runs: dict[str, list[Run]] = {way: [] for way in ways}
        for number in range(rounds):
            for way, run in self.round(ways if number % 2 == 0 else ways[::-1], posts).items():
                runs[way].append(run)
            tell(number + 1)
        return runs

    def round(self, ways: Sequence[str], sizes: Mapping[str, int]) -> dict[str, Run]:
        """All ways once with the same posts, new to the service; ``sizes`` says how many of them each way gets."""
        posts = self.posts.distinct(max(sizes.values()))
        runs: dict[str, Run] = {}
        alerts: dict[str, list[Sent]] = {}
        margins: Sequence[float] = ()
        for way in ways:
            some = posts[: sizes[way]]
            if way == "direct":
                runs[way], margins = self._direct(some)
            else:
                runs[way], alerts[way] = self._queued(way, some)
        for way, sent in alerts.items():
            if way != "carry":
                check_alerts(f"{way}, {self.endpoint.name}", posts[: sizes[way]], margins, sent)
        return runs

    def ask_client(self, way: str, posts: int, texts: Sequence[str] = ()) -> Measured:
        """Has the client go this way, with what lies in its queue or with ``texts``. For any thread, one at a time."""
        return self._ask(way, posts, texts, _CARRIERS if way == "carry" else self._callers)

    def _ask(self, way: str, posts: int = 0, texts: Sequence[str] = (), threads: int = 1) -> Measured:
        server = self.queues.server
        errand = Errand(posts, self.road.posts, self.road.alerts, texts, self._labels, threads)
        return measured(self._client, Order(way, server.late_url or server.url, self.endpoint.url, errand))

    def _direct(self, posts: Sequence[Post]) -> tuple[Run, Sequence[float]]:
        self.endpoint.books()
        cost = self.ask_client("direct", 0, texts_of(posts))
        books = self.endpoint.books()
        return Run(len(posts), cost.seconds, cost.processor_seconds, None, books.calls, books.texts), cost.values

    def _queued(self, way: str, posts: Sequence[Post]) -> tuple[Run, list[Sent]]:
        road = self.service.road if way == "ours" else self.road
        before = self.queues.calls_of_others(road)
        self.endpoint.books()
        cost: Cost | Measured
        if way == "ours":
            cost = self.service.settle(posts)
        else:
            self.queues.fill(road.posts, posts)
            cost = self.ask_client(way, len(posts))
        after = self.queues.calls_of_others(road)
        books = self.endpoint.books()
        if left := self.queues.count(road.posts):
            raise NotDone(f"{way}, {self.endpoint.name}: expected an empty queue afterwards, got {left} posts in it")
        alerts = self.queues.emptied(road.alerts)
        sqs_calls = None if before is None or after is None else after - before
        asked = (books.calls, books.texts)
        return Run(len(posts), cost.seconds, cost.processor_seconds, sqs_calls, *asked, len(alerts)), alerts


def check_alerts(who: str, posts: Sequence[Post], margins: Sequence[float], alerts: Sequence[Sent]) -> None:
    """Whether there is one alert for each post that passes a label by ``margins``. Raises NotDone."""
    came = [json.loads(sent.body)["post"]["id"] for sent in alerts]
    by_id = {post.id: margin for post, margin in zip(posts, margins, strict=False)}
    missing = {id_ for id_, margin in by_id.items() if margin > TOLERANCE}.difference(came)
    surplus = set(came).difference(id_ for id_, margin in by_id.items() if margin >= -TOLERANCE)
    repeated = len(came) - len(set(came))
    if missing or surplus or repeated:
        raise NotDone(
            f"{who}: expected one alert for each post above a threshold, got {len(missing)} without one, "
            f"{len(surplus)} where none should be, {repeated} repeated"
        )
