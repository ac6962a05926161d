"""What stream-getter says about itself: to the log, and to those on the ops route."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from pipeline.contracts import VERSION, Notice, Severity, encode
from pipeline.logs import get_logger

log = get_logger(__name__)

_SERVICE = "stream-getter"
#: Notices that are held until there is a queue.
_EARLY = 100


class _Writer(Protocol):
    def put(self, body: str) -> object:
        """Takes a message for the alerts queue."""


class Notices:
    """Tells people. ``writer`` is that of the alerts queue; without one only the log is told. Safe for any thread."""

    def __init__(self, writer: _Writer | None, now: Callable[[], datetime]) -> None:
        self._writer = writer
        self._now = now
        self._lock = threading.Lock()
        self._early: deque[str] = deque(maxlen=_EARLY)

    def send_by(self, writer: _Writer) -> None:
        """From now on the alerts queue is told too, and at once of what was told before."""
        with self._lock:
            self._writer = writer
            early, self._early = self._early, deque()
        for body in early:
            writer.put(body)

    def tell(self, kind: str, severity: Severity, text: str, figures: Mapping[str, float] | None = None) -> None:
        """``kind`` in a few words, the same for all of its kind; ``text`` is one line for people.

        Waits only while the writer's buffer is full; a notice that the queue refuses is in the log all the same.
        """
        log.warning("notice", kind=kind, severity=severity.value, text=text)
        body = encode(
            Notice(
                v=VERSION,
                kind=kind,
                service=_SERVICE,
                severity=severity,
                text=text,
                at=self._now(),
                figures=dict(figures or {}),
            )
        )
        with self._lock:
            writer = self._writer
            if writer is None:
                self._early.append(body)
        if writer:
            writer.put(body)
