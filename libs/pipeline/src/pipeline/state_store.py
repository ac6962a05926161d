"""The small store beside the queues: what a service would rather not start without, and can.

It holds the stream's cursor, the hour's spend, silences, a snapshot of open stories. To lose it costs a repeated
notification or a shorter rewind, never a post: so nothing that goes wrong with the *content* stops a service, and
everything that goes wrong with the *place* is told, once per change.

Who calls what: a service opens one store (pipeline.state_places), each owner of a kind calls ``load`` once at its start
and ``save`` whenever its content has changed enough, and the service calls ``close`` as the last step of its drain.
Two owners never share a kind.
"""

import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from pipeline.connection_state import ConnectionState
from pipeline.logs import get_logger
from pipeline.state_envelope import BrokenState, C, StateContent, seal, unseal

log = get_logger(__name__)

_KIND = re.compile(r"[a-z][a-z0-9-]{0,62}")


class StateNotSaved(Exception):
    """The content was not saved, or nobody can tell; what was saved before is still there. Its message is one line.

    The service goes on, and a later ``save`` may succeed. The store has told of it in the log, once per change.
    """


class StateConflict(Exception):
    """Somebody else has saved this kind since it was last seen here, and nothing was overwritten. One line.

    ``load`` gives what the other has written, and the next ``save`` replaces that.
    """


class StateStore(Protocol):
    """One service's state, by kind: a short name such as ``stream-cursor``. Safe for several threads.

    A kind that is no such name raises ValueError: it becomes part of a file's name.
    """

    def load(self, kind: str, content_type: type[C]) -> C | None:
        """What was saved last; None where nothing was, or nothing that can be understood: that is set aside.

        Raises Unavailable where the place cannot be read now and the same call may succeed later, and UserMistake
        where it never will: both before anything is known of what lies there.
        """

    def save(self, kind: str, content: StateContent) -> None:
        """Returns once the content has replaced what was saved before, whole: no reader ever sees a part of it.

        Raises StateNotSaved and StateConflict.
        """

    def close(self) -> None:
        """Lets another process have the place. Nothing may be saved afterwards."""


class MemoryStateStore:
    """Lasts as long as the process: every start is a first one."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._told = SavingTold("memory")
        self._lock = threading.Lock()
        self._saved: dict[str, bytes] = {}

    def load(self, kind: str, content_type: type[C]) -> C | None:
        """As StateStore has it; what cannot be understood is dropped."""
        with self._lock:
            data = self._saved.get(checked_kind(kind))
            if data is None:
                return None
            try:
                return unseal(data, kind, content_type)
            except BrokenState as error:
                del self._saved[kind]
                log.warning("state cannot be read, starting without it", place=f"{kind} in memory", reason=str(error))
                return None

    def save(self, kind: str, content: StateContent) -> None:
        """As StateStore has it."""
        try:
            data = seal(checked_kind(kind), content, self._now())
        except BrokenState as error:
            raise self._told.failed(kind, str(error)) from error
        with self._lock:
            self._saved[kind] = data
        self._told.saved(kind)

    def close(self) -> None:
        """Nothing to do: nobody else could have it."""


class SavingTold:
    """What a store tells of its saving: of each kind once per change, not at every try. Safe for several threads."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._states: dict[str, ConnectionState] = {}

    def saved(self, kind: str) -> None:
        """The kind was saved."""
        self._of(kind).reached()

    def failed(self, kind: str, reason: str) -> StateNotSaved:
        """The kind was not saved; what the caller is to raise. ``reason`` is one line."""
        self._of(kind).failed(reason)
        return StateNotSaved(f"state {kind} in {self._place}: {reason}")

    def _of(self, kind: str) -> ConnectionState:
        with self._lock:
            if kind not in self._states:
                self._states[kind] = ConnectionState(f"saving state {kind} in {self._place}")
            return self._states[kind]


def checked_kind(kind: str) -> str:
    """The kind. Raises ValueError for one that cannot be a name of a file and of an object everywhere."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"expected a kind of lower-case letters, digits and hyphens, got {kind!r}")
    return kind


def timestamp(moment: datetime) -> str:
    """A time as it stands in the names of what was set aside: in the order of time, and fit for any file system."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
