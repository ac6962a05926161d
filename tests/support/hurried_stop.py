"""An event that waits for nothing, for loops that are to meet many troubles in a short time."""

import threading
import time


class HurriedStop(threading.Event):
    """``wait`` notes how long it was to be and returns at once; it sets itself with the first wait after ``last``."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._last = threading.Event()

    def last(self) -> None:
        """The next wait is the last one."""
        self._last.set()

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None, "a wait without an end cannot be hurried"
        self.waits.append(timeout)
        if self._last.is_set():
            self.set()
        time.sleep(0.001)  # a loop that meets nothing but trouble would keep the processor from the other side
        return self.is_set()
