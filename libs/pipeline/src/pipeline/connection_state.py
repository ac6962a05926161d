"""What a reader or writer knows of its queue: reachable or not, said once per change and shown on /readyz."""

import threading

from pipeline.logs import get_logger

log = get_logger(__name__)


class ConnectionState:
    """Starts as not reached yet. Changes are logged once, not every try. Safe for several threads."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._trouble: str | None = "not reached yet"
        self._logged = False

    def reached(self) -> None:
        """An operation has succeeded."""
        with self._lock:
            if self._logged:
                log.info("reachable again", what=self._what)
            self._trouble = None
            self._logged = False

    def failed(self, reason: str) -> None:
        """An operation has failed and will be tried again."""
        with self._lock:
            if not self._logged:
                log.warning("cannot be reached, trying again", what=self._what, reason=reason)
            self._trouble = reason
            self._logged = True

    def trouble(self) -> str | None:
        """Why it is not reachable, in one line; None when it is."""
        return self._trouble
