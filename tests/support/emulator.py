"""An emulator of SQS, SNS, S3 and CloudFormation (MiniStack) as a real process on a free port."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from botocore.exceptions import ClientError

from demo.road import free_ports
from demo.stack import REGION, client, create_stack
from tests.support.polling import wait_until

START_SECONDS = 60.0
_STACK = "messaging"


@dataclass(frozen=True)
class Emulator:
    """A running emulator at ``url``."""

    url: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 reads to talk to this emulator and to nothing else."""
        return {
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ENDPOINT_URL_SQS": self.url,
            "AWS_ENDPOINT_URL_SNS": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "NO_PROXY": "127.0.0.1",
        }

    def client(self, service: str) -> Any:
        """A client that is not the product's own."""
        return client(service, self.url)

    @contextmanager
    def fresh_stack(self) -> Iterator[dict[str, str]]:
        """Outputs of a stack whose queues and topic no test has used; it is deleted afterwards. One at a time."""
        outputs = create_stack(self.url, env=f"test{next(self._numbers)}")
        try:
            yield outputs
        finally:
            cloudformation = self.client("cloudformation")
            cloudformation.delete_stack(StackName=_STACK)
            wait_until(lambda: not _exists(cloudformation), "the stack to be deleted", START_SECONDS)


@contextmanager
def running_emulator(log_file: Path, port: int | None = None) -> Iterator[Emulator]:
    """An emulator that answers; killed at the end. ``log_file`` takes what it says."""
    port = port or free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "DOCKER_HOST": "unix:///nonexistent",  # it looks for Docker, which the tests do without
        "LOG_LEVEL": "ERROR",
    }
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "ministack")], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: _answers(process, url, log_file), "the emulator", START_SECONDS)
        yield Emulator(url)
    finally:
        process.kill()
        process.wait()


def _answers(process: subprocess.Popen[bytes], url: str, log_file: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the emulator ended by itself: {log_file.read_text()}")
    try:
        return requests.get(f"{url}/_ministack/health", timeout=2, proxies={"http": ""}).ok
    except requests.RequestException:
        return False


def _exists(cloudformation: Any) -> bool:
    try:
        stacks = cloudformation.describe_stacks(StackName=_STACK)["Stacks"]
    except ClientError:
        return False
    return any(stack["StackStatus"] != "DELETE_COMPLETE" for stack in stacks)
