"""What a quiet stream's post waits: one every tenth of a second, from its sending to its alert's arrival."""

import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median, quantiles

from bench.classifier.posts import numbers, texts_of
from bench.classifier.queues import Road
from bench.classifier.rounds import TOLERANCE, Bench
from bench.classifier.ways import QUIET_SECONDS
from bench.pipeline.comparison import NotDone
from pipeline.contracts import Post

#: How irregular the stream is, in seconds either way: with a steady beat all posts may meet the same moment of a timer.
_JITTER = 0.02
#: So many posts are looked at for each one that is sent, to find those that become alerts.
_CANDIDATES = 4
_PACED_TEXTS = 20


@dataclass(frozen=True)
class Delay:
    """Milliseconds of each post: in all, and without the time of the endpoint's call."""

    total: Sequence[float]
    added: Sequence[float]

    @property
    def added_p50(self) -> float:
        """The median."""
        return median(self.added)

    @property
    def added_p95(self) -> float:
        """The 95th percentile."""
        return quantiles(self.added, n=20, method="inclusive")[-1]

    @property
    def total_p50(self) -> float:
        """The median."""
        return median(self.total)


def quiet(bench: Bench, posts: int, rng: random.Random, tell: Callable[[int], None]) -> dict[str, Delay]:
    """Of ours and of the sample's way, one after the other, so many posts each that become alerts.

    A post's time runs from SendMessage's answer to the alert's arrival at the server, by the server's own clock, which
    knows milliseconds; both are clocks of one machine. The time of its own call at the endpoint is that of the stub's
    books. The real model keeps none of single calls: there it is the median of calls with one text, which the client
    makes by itself at the same pace, its own work included.
    Raises NotDone and ChildFailed.
    """
    found = {}
    for number, way in enumerate(("ours", "sample")):
        some = _alerting(bench, posts)
        own = median(bench.ask_client("paced", 0, texts_of(some)[:_PACED_TEXTS]).values)
        bench.endpoint.books()
        total = _total(bench, way, some, rng)
        seconds = bench.endpoint.books().seconds or dict.fromkeys(numbers(some), own)
        added = [total[each] - 1000 * seconds[each] for each in numbers(some)]
        found[way] = Delay([total[each] for each in numbers(some)], added)
        tell(number + 1)
    return found


def _alerting(bench: Bench, count: int) -> list[Post]:
    posts = bench.posts.distinct(_CANDIDATES * count + _CANDIDATES)
    margins = bench.ask_client("direct", 0, texts_of(posts)).values
    certain = [post for post, margin in zip(posts, margins, strict=True) if margin > TOLERANCE]
    if len(certain) < count:
        raise NotDone(f"{bench.endpoint.name}: expected {count} of {len(posts)} posts to be alerts, got {len(certain)}")
    return certain[:count]


def _total(bench: Bench, way: str, posts: Sequence[Post], rng: random.Random) -> dict[int, float]:
    """Milliseconds by the post's number."""
    road = bench.service.road if way == "ours" else bench.road
    if way == "ours":
        sent_at = _send(bench, road, posts, rng)
        bench.service.wait_until_settled(0)
    else:
        with ThreadPoolExecutor(1) as pool:
            client = pool.submit(bench.ask_client, way, len(posts))
            sent_at = _send(bench, road, posts, rng)
            client.result()
    arrived = {json.loads(sent.body)["post"]["id"]: sent.at_ms for sent in bench.queues.emptied(road.alerts)}
    if missing := {post.id for post in posts}.difference(arrived):
        raise NotDone(f"{way}, {bench.endpoint.name}: expected an alert for each post, got none for {len(missing)}")
    return {number: arrived[post.id] - sent for number, post, sent in zip(numbers(posts), posts, sent_at, strict=True)}


def _send(bench: Bench, road: Road, posts: Sequence[Post], rng: random.Random) -> list[float]:
    """UNIX time in milliseconds at which SendMessage had answered, of each."""
    sent_at = []
    due = time.monotonic()
    for post in posts:
        time.sleep(max(0.0, due + rng.uniform(-_JITTER, _JITTER) - time.monotonic()))
        bench.queues.send(road.posts, post)
        sent_at.append(1000 * time.time())
        due += QUIET_SECONDS
    return sent_at
