"""Load for the compose system, and a look at what its services export."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.compose_system import ComposeSystem, eventually

DUE = "Wildfire burning out of control near Bellbrook, evacuation of homes under way. Report {}"
NOT_DUE = "I love my cat so much today, photo {}"


class Load:
    """Posts one after the other, every second of them due, from a thread of its own."""

    def __init__(self, system: ComposeSystem, name: str, pause: float = 0.05) -> None:
        self._system = system
        self._name = name
        self._pause = pause
        self._stop = threading.Event()
        self._failure: AssertionError | None = None
        self.due: list[str] = []
        self.not_due: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Posts from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Posts no more; returns when the last one has been taken. Raises what ended the posting before."""
        self._stop.set()
        self._thread.join(120)
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        number = 0
        try:
            while not self._stop.wait(self._pause):
                number += 1
                self.due.append(self._system.post(DUE.format(f"{self._name} {number}")))
                self.not_due.append(self._system.post(NOT_DUE.format(f"{self._name} {number}")))
        except AssertionError as failure:
            self._failure = failure

    def wait_for_more(self, posts: int) -> None:
        """Until so many more that are due have been sent."""
        enough = len(self.due) + posts
        eventually(lambda: len(self.due) >= enough, 60)


@contextmanager
def load(system: ComposeSystem, name: str) -> Iterator[Load]:
    """Load for as long as the block runs; stopped and joined at its end."""
    running = Load(system, name)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def service_metrics(system: ComposeSystem, service: str, index: int = 1, port: int = 9100) -> str:
    """A service's /metrics, read from inside its container: the port is not published."""
    read = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
    return system.docker("exec", "-T", "--index", str(index), service, "python", "-c", read)
