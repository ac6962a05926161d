"""The model endpoint as a real process on a free port."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

START_SECONDS = 60


@dataclass
class ModelProcess:
    """A running endpoint. `log_file` takes its standard error."""

    process: subprocess.Popen[bytes]
    url: str
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()


@contextmanager
def running_model(log_file: Path, *arguments: str) -> Iterator[ModelProcess]:
    """An endpoint that is ready; killed at the end unless it has ended itself."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(_command(["--port", "0", *arguments]), stderr=log, env=_environment({}))
    try:
        deadline = time.monotonic() + START_SECONDS
        url = _listening_url(process, log_file, deadline)
        while requests.get(f"{url}/ping", timeout=10).status_code != 200:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the model was not ready in {START_SECONDS} s: {log_file.read_text()}")
            time.sleep(0.02)
        yield ModelProcess(process, url, log_file)
    finally:
        process.kill()
        process.wait()


def run_model_to_its_end(arguments: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What a start that must fail has written, and its exit code."""
    return subprocess.run(
        _command(arguments),
        env=_environment(variables),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "zero_shot_model", "serve", *arguments]


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The tests' environment with the tests' import path, so that the package need not be installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}


def _listening_url(process: subprocess.Popen[bytes], log_file: Path, deadline: float) -> str:
    while time.monotonic() < deadline:
        found = re.search(r"listening on (http://\S+)", log_file.read_text())
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"the model did not listen: {log_file.read_text()}")
