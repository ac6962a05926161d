"""State in Amazon S3: one object for each kind.

    s3://bucket/prefix/notifier/silences.json
    s3://bucket/prefix/notifier/set-aside/silences-20261120T081503.000000Z.json    what could not be understood

S3 has no locks, so a save is a conditional put: it takes effect only if the object is the one that was last seen here
(If-Match with its ETag, If-None-Match where there was none). A second writer is noticed by the next save of either.

The role needs ``s3:GetObject`` and ``s3:PutObject`` on ``bucket/prefix/<service>/*``, and ``s3:ListBucket`` on the
bucket, without which an object that is not there yet looks like one that may not be read. What is set aside has the
time in its name when it was written, so a start that fails again and again sets it aside once; a lifecycle rule on the
prefix may delete it.
"""

import hashlib
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from pipeline.backoff import Backoff
from pipeline.errors import NotThere, Unavailable, UserMistake
from pipeline.logs import get_logger
from pipeline.recent_ids import RecentIds
from pipeline.s3_object import S3Changed, S3Find, copy_s3_object, find_s3_object, replace_s3_object
from pipeline.state_envelope import LIMIT, BrokenState, C, StateContent, seal, unseal
from pipeline.state_store import SavingTold, StateConflict, checked_kind, timestamp

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = get_logger(__name__)

R = TypeVar("R")

#: Seconds for which one load or save is tried. With one more call's time-outs it fits into a drain of 25 s.
PATIENCE_SECONDS = 5.0
#: Seconds to wait for an answer that the store's client should have; pipeline.aws says how long to connect.
READ_TIMEOUT = 5.0
#: Saves of one kind whose answers were lost that are remembered: hours of an outage.
_DOUBTS = 1000


class _Kind:
    """What is known of one object. ``doubts`` are digests of what we tried to write since ``etag`` was seen."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.etag: str | None = None
        self.doubts = RecentIds(_DOUBTS)


class S3StateStore:
    """A StateStore below a prefix of a bucket. ``backoff`` makes one for each operation, ``now`` gives UTC.

    An operation is tried again for PATIENCE_SECONDS while S3 cannot be reached, is busy or fails, and takes the
    client's time-outs longer at most: call it from a thread that may wait. A kind that is saved before it was loaded
    is a StateConflict if anything lies there.
    """

    def __init__(
        self,
        s3: "S3Client",
        bucket: str,
        prefix: str,
        now: Callable[[], datetime],
        backoff: Callable[[], Backoff],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix
        self._now = now
        self._backoff = backoff
        self._clock = clock
        self._sleep = sleep
        self._told = SavingTold(f"s3://{bucket}/{prefix}")
        self._lock = threading.Lock()
        self._kinds: dict[str, _Kind] = {}

    def load(self, kind: str, content_type: type[C]) -> C | None:
        """As StateStore has it."""
        known = self._known(kind)
        with known.lock:
            found = self._patiently(lambda: self._find(kind))
            known.etag = found.etag if found else None
            if found is None:
                return None
            try:
                return unseal(found.content, kind, content_type)
            except BrokenState as error:
                self._set_aside(kind, found, str(error))
                return None

    def save(self, kind: str, content: StateContent) -> None:
        """As StateStore has it. One that ended with StateNotSaved may still take effect, until the next one does."""
        known = self._known(kind)
        try:
            data = seal(kind, content, self._now())
            with known.lock:
                self._patiently(lambda: self._put(kind, known, data))
        except (BrokenState, Unavailable, UserMistake) as error:
            raise self._told.failed(kind, str(error)) from error
        self._told.saved(kind)

    def close(self) -> None:
        """Nothing to do: whoever comes next finds the object as it is."""

    def _known(self, kind: str) -> _Kind:
        with self._lock:
            return self._kinds.setdefault(checked_kind(kind), _Kind())

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}.json"

    def _find(self, kind: str) -> S3Find | None:
        try:
            return find_s3_object(self._s3, self._bucket, self._key(kind), LIMIT + 1)
        except NotThere:
            return None

    def _put(self, kind: str, known: _Kind, data: bytes) -> None:
        """One try. Raises Unavailable where another may succeed."""
        known.doubts.add(_digest(data))
        try:
            known.etag = replace_s3_object(self._s3, self._bucket, self._key(kind), data, known.etag)
        except S3Changed as error:
            found = self._find(kind)
            # a put may have taken effect although its answer was lost: then it is our own object that lies there
            if found is None or _digest(found.content) not in known.doubts:
                raise StateConflict(f"{error}; somebody else writes it, or it was not loaded") from error
            known.etag = found.etag
            if found.content != data:
                raise Unavailable(f"{error}: an earlier save, which has come late") from error
        # all earlier puts asked for an object that is no longer there
        known.doubts = RecentIds(_DOUBTS)

    def _set_aside(self, kind: str, found: S3Find, reason: str) -> None:
        aside = self._key(f"set-aside/{kind}-{timestamp(found.written_at or self._now())}")
        outcome = f"set aside as s3://{self._bucket}/{aside}"
        try:
            self._patiently(lambda: copy_s3_object(self._s3, self._bucket, self._key(kind), aside, found.etag))
        except (S3Changed, Unavailable, UserMistake) as error:
            outcome = f"not set aside ({error})"
        place = f"s3://{self._bucket}/{self._key(kind)}"
        log.warning("state cannot be read, starting without it", place=place, reason=reason, outcome=outcome)

    def _patiently(self, call: Callable[[], R]) -> R:
        deadline = self._clock() + PATIENCE_SECONDS
        backoff = self._backoff()
        while True:
            try:
                return call()
            except Unavailable:
                left = deadline - self._clock()
                if left <= 0:
                    raise
                self._sleep(min(backoff.next(), left))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
