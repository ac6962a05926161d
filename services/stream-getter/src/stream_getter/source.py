"""The contract between a source of posts and the loop that forwards them. docs/sources.md shows how to add one.

Who calls what: ``sources`` builds the source that SOURCE names, once. The forwarder's thread runs ``arrivals`` to its
end and hands each post to the posts queue. ``settled`` of an arrival is called once, from any thread, as soon as the
source may forget the post: the queue has accepted it, it is a repeat, or no queue will ever take it. A repeat is
settled at once, though its first copy may still be under way: what counts is an unbroken row of settled posts. At the
end ``stop`` is called from another thread, and after the drain, when what could be accepted was accepted, ``close``.
A post that is not settled by then must come again at the next start, where the source can be rewound at all.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

from pipeline.contracts import Post
from pipeline.logs import OccasionalLog
from pipeline.state_store import StateStore
from stream_getter.metrics import Metrics
from stream_getter.notices import Notices


class Arrival(NamedTuple):
    """One post as it arrived. A source that cannot be rewound need not hear what becomes of it."""

    post: Post
    settled: Callable[[], object] | None = None


class Source(Protocol):
    """One way to get posts. ``silence_seconds``: how long ``arrivals`` may wait without a look at ``stopping``."""

    silence_seconds: float

    def arrivals(self) -> Iterator[Arrival]:
        """Posts as they arrive, until ``stop``, or to the end where the source has one.

        Keeps its connection by itself: trouble is waited out, shown by ``trouble``, and never raised. What can never
        succeed (no such file, a field map without a text) raises UserMistake. Posts are handed out without waiting for
        those before to be settled; a consumer that is slow slows the source down.
        """

    def stop(self) -> None:
        """Ends ``arrivals`` soon, from any thread, after ``stopping`` was set; what was read already may still come."""

    def trouble(self) -> str | None:
        """Why no posts can come at the moment, in one line; None while they can. For /readyz."""

    def close(self, seconds: float) -> None:
        """Saves how far all posts are settled, and lets go of connections, within ``seconds``. Called last, once."""


@runtime_checkable
class ClosedOnPurpose(Protocol):
    """What a Source may have beside, where it closes itself for a while, as for a budget that is spent."""

    def startup_trouble(self) -> str | None:
        """As ``trouble``, but None also while it is closed on purpose, which no restart would change."""


def startup_trouble(source: Source) -> str | None:
    """What the start of a service with this source still waits for, in one line. For /startupz."""
    return source.startup_trouble() if isinstance(source, ClosedOnPurpose) else source.trouble()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every source is built with. ``environ`` is where its own settings are read from (pipeline.settings)."""

    environ: Mapping[str, str]
    metrics: Metrics
    stopping: threading.Event
    state: StateStore
    notices: Notices
    occasionally: OccasionalLog
    now: Callable[[], datetime]
    new_trace_id: Callable[[], str]
    rng: random.Random


#: Builds a source. Raises UserMistake for settings that cannot be.
Build = Callable[[Surroundings], Source]
