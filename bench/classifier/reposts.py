"""How many texts a stream with reposts costs at the endpoint."""

import random
import time
from dataclasses import dataclass
from pathlib import Path

from bench.classifier.cores import Cores
from bench.classifier.posts import Posts, numbers
from bench.classifier.queues import Queues
from bench.classifier.service import running_service
from bench.classifier.stub_endpoint import Speed, is_alert, running_stub
from bench.pipeline.comparison import NotDone
from bench.pipeline.servers import quick
from tests.support.service_process import Run

#: Which share of the posts repeats another.
REPOSTS = 0.4


@dataclass(frozen=True)
class Judged:
    """``posts`` of which the endpoint was asked for ``texts`` in ``calls``; of ``originals`` it has to be.

    ``seconds`` are those from the service's readiness to the last post, ``resident_mb`` its memory then.
    """

    posts: int
    originals: int
    texts: int
    calls: int
    seconds: float
    resident_mb: float

    @property
    def texts_per_100k(self) -> float:
        """Texts for each 100,000 posts."""
        return self.texts * 100_000 / self.posts


def judged(start: Run, folder: Path, cores: Cores, posts: Posts, count: int, rng: random.Random) -> Judged:
    """A new service, a queue with all posts in it, and an endpoint that answers at once. Raises NotDone.

    The server is always ``quick``, which counts nothing here: how fast it is does not matter.
    """
    with quick(0.0) as server:
        queues = Queues(server)
        road = queues.road("reposts")
        some = posts.with_reposts(count, REPOSTS, rng)
        queues.fill(road.posts, some)
        with running_stub(Speed(call=0.0, text=0.0), cores) as stub:
            with running_service(start, folder, queues, stub.url, road) as service:
                began = time.perf_counter()
                service.wait_until_settled(count)
                seconds, resident_mb = time.perf_counter() - began, service.resident_mb
            books = stub.books()
        expected = sum(map(is_alert, numbers(some)))
        if (found := queues.count(road.alerts)) != expected:
            raise NotDone(f"reposts: expected {expected} alerts, got {found}")
    originals = count - sum(post.text.startswith("RT @reader") for post in some)
    return Judged(count, originals, books.texts, books.calls, seconds, resident_mb)
