"""How far Bluesky was read: what a connection begins after, and what a restart does."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from pipeline.errors import Unavailable
from pipeline.logs import get_logger
from pipeline.state_envelope import StateContent
from pipeline.state_store import StateConflict, StateNotSaved, StateStore
from stream_getter.positions import Positions

log = get_logger(__name__)

KIND = "bluesky-cursor"
_MICROSECONDS = 1_000_000
#: Seconds that a message's time may be ahead of ours: a cursor in the future would skip what comes until then.
_AHEAD = 300


class Mark(NamedTuple):
    """A message's time (microseconds since 1970) on the server that sent it: each has its own clock."""

    time_us: int
    url: str


class SavedCursor(StateContent, frozen=True, kw_only=True):
    """What is kept of a Mark."""

    time_us: int
    url: str = ""


class Cursor:
    """Of all messages. Marks are handed in by one thread; what ``arrived`` returns may be called by any.

    A connection begins a little before the last message seen, for what was seen is either settled or waits to be. What
    is saved, for a restart, is the last message before which every post is settled.
    """

    def __init__(
        self,
        state: StateStore,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        rewind_seconds: float,
        rewind_other_host_seconds: float,
        save_seconds: float,
    ) -> None:
        self._state = state
        self._now = now
        self._clock = clock
        self._rewind = rewind_seconds
        self._rewind_other_host = max(rewind_seconds, rewind_other_host_seconds)
        self._period = save_seconds
        self._positions: Positions[Mark] = Positions()
        self._seen: Mark | None = None
        self._saved: Mark | None = None
        self._skip = 0.0
        self._last_try = clock()

    def load(self, urls: Sequence[str]) -> str:
        """The server to begin with: that of the cursor, where there is one and it is in ``urls``, or the first.

        Without a cursor all begins now. Raises Unavailable where the same call may succeed later, and UserMistake.
        """
        saved = self._state.load(KIND, SavedCursor)
        if saved and self._is_of_our_time(saved.time_us):
            self._seen = self._saved = Mark(saved.time_us, saved.url)
            return saved.url if saved.url in urls else urls[0]
        if saved:
            log.warning("the cursor is not of our time, starting from now", time_us=saved.time_us)
        self._seen = Mark(self._now_us(), urls[0])
        self._positions.passed(self._seen)
        # a kill before the first period is over would let the next start begin later than this one
        self.save()
        return urls[0]

    @property
    def seen(self) -> Mark | None:
        """The last message, or where all began; None before ``load``."""
        return self._seen

    def start_on(self, url: str) -> int | None:
        """The cursor for a connection to this server: its clock, and how far behind it is, may differ from others'."""
        if self._seen is None:
            return None
        if self._skip:
            return min(self._now_us(), self._seen.time_us + int(self._skip * _MICROSECONDS))
        seconds = self._rewind if url == self._seen.url else self._rewind_other_host
        return max(1, self._seen.time_us - int(seconds * _MICROSECONDS))

    def arrived(self, time_us: int, url: str) -> Callable[[], None]:
        """A message with a post; what is returned settles it."""
        mark = self._mark(time_us, url)
        if self._seen and not self._positions.unsettled:
            # what was passed over until here is settled, whatever becomes of this post
            self._positions.passed(self._seen)
        settle = self._positions.arrived(mark)
        # after the line above: ``settled`` looks at them in the opposite order
        self._seen = mark
        self._skip = 0.0
        return settle

    def passed(self, time_us: int, url: str) -> None:
        """A message without a post. Costs no memory, however many of them come while a post is unsettled."""
        self._seen = self._mark(time_us, url)
        self._skip = 0.0

    def skip(self, seconds: float) -> None:
        """Lets connections begin so long after the last message, and not beyond now, until the next one comes."""
        self._skip = seconds

    def missed_before(self, time_us: int) -> float:
        """Seconds between the last message and the first of a new connection; below 0 where they overlap."""
        return (time_us - self._seen.time_us) / _MICROSECONDS if self._seen and self._is_of_our_time(time_us) else 0.0

    @property
    def settled(self) -> Mark | None:
        """The last message before which every post is settled; None where none was seen in this run."""
        seen = self._seen
        return self._positions.settled_up_to if self._positions.unsettled else seen

    def save_in_time(self) -> None:
        """Saves what has changed, once per period."""
        if self._clock() - self._last_try >= self._period:
            self.save()

    def save(self) -> None:
        """Saves what has changed; where that fails, the store has told of it, and a later call tries again."""
        self._last_try = self._clock()
        mark = self.settled
        if mark is None or mark == self._saved:
            return
        try:
            self._state.save(KIND, SavedCursor(time_us=mark.time_us, url=mark.url))
        except StateConflict as conflict:
            log.warning("another process has saved its cursor here, ours takes its place", reason=str(conflict))
            self._see_the_other()
        except StateNotSaved:
            pass
        else:
            self._saved = mark

    def _see_the_other(self) -> None:
        try:
            self._state.load(KIND, SavedCursor)
        except Unavailable as error:
            log.warning("the other cursor cannot be read now", reason=str(error))

    def _mark(self, time_us: int, url: str) -> Mark:
        # what comes again after a rewind is behind what was seen: a connection that broke there again and again would
        # go back further each time
        if self._seen and (time_us < self._seen.time_us or not self._is_of_our_time(time_us)):
            return self._seen
        return Mark(time_us, url)

    def _is_of_our_time(self, time_us: int) -> bool:
        return 0 < time_us <= self._now_us() + _AHEAD * _MICROSECONDS

    def _now_us(self) -> int:
        return int(self._now().timestamp() * _MICROSECONDS)
