"""An event that records waits instead of waiting."""

import threading


class RecordedStop(threading.Event):
    """``wait`` returns at once and notes how long it was to be. It sets itself with the wait number ``ends_after``."""

    def __init__(self, ends_after: int) -> None:
        super().__init__()
        self._ends_after = ends_after
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None, "a wait without an end cannot be recorded"
        self.waits.append(timeout)
        if len(self.waits) >= self._ends_after:
            self.set()
        return self.is_set()
