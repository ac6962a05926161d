"""The endpoint as a process of its own, as its image starts it."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from bench.child_process import ChildFailed

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0


class Endpoint:
    """Ready while its context is open. `log`: the file that takes its standard error. Raises ChildFailed."""

    def __init__(self, threads: int, log: Path) -> None:
        self._threads = threads
        self._log = log
        self.host = "127.0.0.1"
        self.port = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "zero_shot_model", "serve", "--port", "0", "--threads", str(self._threads)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log, env=environment)  # noqa: S603 - our own program
        try:
            self._wait_until_ready()
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def resident(self) -> int:
        """Bytes of resident memory."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def processor_seconds(self) -> float:
        """Seconds of processor time so far, in all threads."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self._log.read_text())
            if found:
                self.port = int(found[1])
                if self._is_ready():
                    return
            time.sleep(0.05)
        raise ChildFailed(
            f"the endpoint: expected it ready within {_START_SECONDS:.0f} s, got: {self._log.read_text()}"
        )

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}/ping", timeout=5):
                return True
        except urllib.error.HTTPError:
            return False
