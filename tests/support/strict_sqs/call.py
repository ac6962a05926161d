"""Calls as they come in, for faults to choose from and for tests to count."""

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One request, by the name that the API has for its operation: ``SendMessageBatch``.

    ``queue`` is the queue's name, empty for operations that name none.
    """

    operation: str
    queue: str
    request: Mapping[str, Any]


class CallLog:
    """All calls in order, those that failed too. Safe for several threads."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._came = threading.Condition()
        self._watchers = 0

    def __iter__(self) -> Any:
        return iter(list(self._calls))

    def add(self, call: Call) -> None:
        self._calls.append(call)
        if self._watchers:
            with self._came:
                self._came.notify_all()

    def requests(self, operation: str) -> list[Mapping[str, Any]]:
        """The requests of one operation."""
        return [call.request for call in list(self._calls) if call.operation == operation]

    def wait_for(self, operation: str, count: int, seconds: float = 5.0) -> None:
        """Returns once so many requests of the operation have come in. Raises TimeoutError."""
        with self._came:
            self._watchers += 1
            try:
                if not self._came.wait_for(lambda: len(self.requests(operation)) >= count, seconds):
                    raise TimeoutError(f"expected {count} calls of {operation}, got {len(self.requests(operation))}")
            finally:
                self._watchers -= 1
