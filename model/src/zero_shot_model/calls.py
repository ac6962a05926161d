"""One request's work as it is known by the parts that do it: whether its caller is still there, what it has cost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zero_shot_model.errors import CallerGone


class Call:
    """The work for one request. Any thread may use it."""

    def __init__(self) -> None:
        self.texts_encoded = 0
        """Texts that became vectors for it; for the thread that runs the call."""
        self._lock = threading.Lock()
        self._cancelled = False
        self._on_cancel: Callable[[], None] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether its caller is gone."""
        return self._cancelled

    def cancel(self) -> None:
        """Its caller is gone: what has not run yet is dropped."""
        with self._lock:
            self._cancelled = True
            on_cancel, self._on_cancel = self._on_cancel, None
        if on_cancel is not None:
            on_cancel()

    def check(self) -> None:
        """Raises CallerGone once the call is cancelled."""
        if self._cancelled:
            raise CallerGone

    @contextmanager
    def cancelling(self, action: Callable[[], None]) -> Iterator[None]:
        """Lets `cancel` run `action` while the context is open. Raises CallerGone if it is too late for that."""
        with self._lock:
            self.check()
            self._on_cancel = action
        try:
            yield
        finally:
            with self._lock:
                self._on_cancel = None


class CurrentCall:
    """Which call each thread works for: what runs requests tells it here, what queues their texts asks."""

    def __init__(self) -> None:
        self._of_thread = threading.local()

    @contextmanager
    def working_for(self, call: Call) -> Iterator[None]:
        """The calling thread works for `call` while the context is open."""
        self._of_thread.call = call
        try:
            yield
        finally:
            self._of_thread.call = None

    def get(self) -> Call:
        """The calling thread's; a new one, which nobody will cancel, where it works for none."""
        return getattr(self._of_thread, "call", None) or Call()
