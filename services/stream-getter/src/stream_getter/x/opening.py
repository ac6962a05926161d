"""A request on its way, whose waiting can be ended: looking a name up and connecting cannot be, by anything else."""

import threading
from collections.abc import Callable

import requests


class Opening:
    """Asks in a thread of its own, which may outlast the wait for it; an answer that comes too late is closed."""

    def __init__(self, request: Callable[[], requests.Response]) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._given_up = False
        self._response: requests.Response | None = None
        self._error: BaseException | None = None

    def wait(self) -> requests.Response | None:
        """The answer, or None once given up. Raises what the request raises."""
        if not self._settled.is_set():
            threading.Thread(target=self._ask, name="opening", daemon=True).start()
        self._settled.wait()
        with self._lock:
            if self._error:
                raise self._error
            return self._response

    def give_up(self) -> None:
        """Ends the wait at once, or before it begins; from any thread. Nothing happens where the answer is there."""
        with self._lock:
            self._given_up = True
            self._settled.set()

    def _ask(self) -> None:
        response, error = None, None
        try:
            response = self._request()
        except BaseException as raised:  # noqa: BLE001 - raised again by the thread that waits
            error = raised
        with self._lock:
            late = self._given_up
            if not late:
                self._response, self._error = response, error
                self._settled.set()
        if late and response is not None:
            response.close()
