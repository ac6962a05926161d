"""Time, handed in so that tests can set it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` gives UNIX seconds, `monotonic` seconds since some fixed moment."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic


def x_timestamp(unix_seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds and Z, as X writes created_at and meta.sent."""
    moment = datetime.fromtimestamp(unix_seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def unix_seconds(timestamp: str) -> float:
    """UNIX seconds of an ISO 8601 timestamp. Raises ValueError; one without an offset is taken as UTC."""
    moment = datetime.fromisoformat(timestamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
