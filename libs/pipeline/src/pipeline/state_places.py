"""Where a service keeps its state: STATE is a folder, ``s3://bucket/prefix``, or empty for memory only."""

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.backoff import Backoff
from pipeline.errors import UserMistake
from pipeline.logs import get_logger
from pipeline.s3_object import split_s3_place
from pipeline.state_envelope import C
from pipeline.state_file import FileStateStore
from pipeline.state_s3 import S3StateStore
from pipeline.state_store import MemoryStateStore, StateStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = get_logger(__name__)

#: Such as s3:/ with a slash too few: as a folder's name it would be made, and nobody would look for the state there.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0


def open_state_store(
    place: str,
    service: str,
    s3: Callable[[], "S3Client"],
    rng: random.Random,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> StateStore:
    """The store of ``service`` in this place; services may share a place. Call it once, at the start.

    ``s3`` makes a client, with pipeline.state_s3.READ_TIMEOUT, and is called only for a place in S3: a folder needs
    neither network nor credentials. Raises UserMistake for a place that cannot be, and for a folder that another
    process holds; whether a bucket can be reached is known from the first ``load``.
    """
    if not place:
        return _MemoryOnly(now)
    if in_s3 := split_s3_place(place.rstrip("/")):
        bucket, prefix = in_s3
        return S3StateStore(s3(), bucket, f"{prefix}/{service}", now, lambda: Backoff(_FIRST_WAIT, _LONGEST_WAIT, rng))
    if _SCHEME.match(place) or "\0" in place:
        raise UserMistake(f"environment: STATE: expected a folder or s3://bucket/prefix, got {place!r}")
    return FileStateStore(Path(place) / service, now)


class _MemoryOnly(MemoryStateStore):
    """Says so once, as soon as somebody asks it: a service that needs no state has nothing to tell."""

    _said = False

    def load(self, kind: str, content_type: type[C]) -> C | None:
        """As StateStore has it."""
        if not self._said:
            self._said = True
            log.info("state is kept in memory only, and every start is a first one")
        return super().load(kind, content_type)
