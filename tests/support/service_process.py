"""The services' commands as real processes, with the variables that they need and little else."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

#: Seconds that a process may take to do what a test waits for.
SECONDS = 120.0
_PORTS = (20_000, 32_000)
CONFIG = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}, desk: {type: sns}}
routes: [{channels: [terminal, desk]}]
"""
TOKEN = "token-that-nobody-may-see"

Variables = dict[str, str]
Run = Callable[[str, Mapping[str, str]], subprocess.Popen[str]]


@contextmanager
def running_services(folder: Path) -> Iterator[Run]:
    """Gives what starts a service in the folder; whatever has not ended by itself is killed afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(service: str, variables: Mapping[str, str]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", service.replace("-", "_")],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            process.kill()
            process.communicate()


def variables_for(service: str, queues: str, config: Path | str, elsewhere: str = "http://127.0.0.1:9") -> Variables:
    """Everything that a service needs; ``elsewhere`` is X for the one and the model endpoint for the other."""
    needed = {
        "stream-getter": ("POSTS_QUEUE_URL",),
        "classifier": ("POSTS_QUEUE_URL", "POSTS_DEAD_LETTER_QUEUE_URL", "ALERTS_QUEUE_URL"),
        "notifier": (
            "ALERTS_QUEUE_URL",
            "ALERTS_DEAD_LETTER_QUEUE_URL",
            "DELIVERIES_QUEUE_URL",
            "DELIVERIES_DEAD_LETTER_QUEUE_URL",
        ),
    }
    own = {
        "stream-getter": {"X_BEARER_TOKEN": TOKEN, "X_API_URL": elsewhere},
        "classifier": {"ENDPOINT_NAME": "minilm", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": elsewhere},
        "notifier": {"SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:topic"},
    }
    return {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL_SQS": queues,
        "ALERTS_CONFIG": str(config),
        "TELEMETRY_PORT": str(free_port()),
        **{name: f"{queues}/000000000000/{name.removesuffix('_QUEUE_URL').lower()}" for name in needed[service]},
        **own[service],
    }


def free_port() -> int:
    """A port of the loopback that nobody listens on at the moment.

    Not one of those that the system gives to connections: with some thousand of them it might be taken at once.
    """
    while True:
        port = random.SystemRandom().randrange(*_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def one_line_of(process: subprocess.Popen[str], code: int) -> str:
    """The one line that a command ended with, after this exit code."""
    stdout, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == code, stderr
    assert stdout == ""
    (line,) = stderr.splitlines()
    return line


def mistake_of(process: subprocess.Popen[str]) -> str:
    """The one line of a user's mistake."""
    return one_line_of(process, 2)


def asked(variables: Variables, path: str) -> requests.Response | None:
    """What a service answers on its telemetry port; None while nobody listens."""
    try:
        return requests.get(f"http://127.0.0.1:{variables['TELEMETRY_PORT']}{path}", timeout=5, proxies={"http": ""})
    except requests.ConnectionError:
        return None


def log_after_sigterm(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What it logged, once it has ended with 0."""
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, stderr
    return [json.loads(line) for line in stderr.splitlines()]
