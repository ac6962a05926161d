"""One service as a process that can be killed and started again, with a door of its own to its queues."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.chaos.http_proxy import HttpProxy
from tests.support.chaos.queue_books import QueueBooks
from tests.support.service_process import Variables, asked

#: Seconds from SIGTERM that ECS grants before SIGKILL.
_GRACE_SECONDS = 30.0


class Service:
    """``books`` tell what its queues have handed out to it; ``log_file`` takes what it writes, over all its lives.

    ``door`` is that of its queues: give its URL to the process, which has ``variables`` and little else.
    """

    def __init__(self, name: str, folder: Path, door: HttpProxy, books: QueueBooks) -> None:
        self.name = name
        self.books = books
        self.door = door
        self.variables: Variables = {}
        self.log_file = folder / f"{name}.log"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, variables: Mapping[str, str] | None = None) -> None:
        """Starts the process; with the variables of the last time where none are given."""
        if variables:
            self.variables = dict(variables)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.name.replace("-", "_")],
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    **self.variables,
                },
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def is_ready(self) -> bool:
        """What /readyz says. Raises AssertionError where the process has ended by itself."""
        self.assert_running()
        response = asked(self.variables, "/readyz")
        return response is not None and response.status_code == 200

    def assert_running(self) -> None:
        """Raises AssertionError, with the end of the log, where the process has ended by itself."""
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"{self.name} ended by itself with exit code {code}:\n{self._end_of_log()}"

    def kill(self) -> int:
        """SIGKILL. Returns how many messages it had in hand, which are nobody's now."""
        self.assert_running()
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.door.client_died()
        return self.books.orphan_all()

    def begin_to_end(self) -> None:
        """SIGTERM."""
        self.assert_running()
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def assert_ends_well(self) -> None:
        """Waits for what ``begin_to_end`` began. Raises AssertionError for a code other than 0, and for a late end."""
        assert self._process is not None
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {_GRACE_SECONDS} s:\n{self._end_of_log()}") from None
        assert code == 0, f"{self.name} ended with exit code {code}:\n{self._end_of_log()}"

    def clean_up(self) -> None:
        """Leaves no process behind."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _end_of_log(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-20:])
