"""The whole road as processes: emulator, model, simulator, the three services, and the witness between them."""

import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from demo.processes import ProcessGroup
from demo.stack import REGION, client, create_stack, service_environment

ROOT = Path(__file__).parent.parent
#: Where a running demo leaves the simulator's address, for `make post`.
ADDRESS = ROOT / ".demo/simulator_url"
#: The source that the simulator plays; any other is read as stream-getter's own variables say.
SIMULATED = "x"
SERVICES = ("stream-getter", "classifier", "notifier")
STATE = "state"
_START_SECONDS = 60.0
_TOKEN = "demo-token"  # noqa: S105 - of the simulator, which anyone may read


class NotStarted(Exception):
    """A part of the road did not come up; the message is one line."""


@dataclass(frozen=True)
class Ledgers:
    """Where the witnesses write."""

    simulator: Path
    recorder: Path


class Road:
    """Starts and stops everything. Programs are those of this Python's environment."""

    def __init__(
        self,
        group: ProcessGroup,
        folder: Path,
        posts: Sequence[Path],
        rate: float,
        config: Path,
        log_level: str,
        source: str = SIMULATED,
    ) -> None:
        self._group = group
        self._folder = folder
        self._posts = posts
        self._rate = rate
        self._config = config
        self._log_level = log_level
        self._source = source
        self._bin = Path(sys.executable).parent
        self.ledgers = Ledgers(folder / "simulator.jsonl", folder / "recorder.jsonl")
        ports = free_ports(7)
        self.emulator_url, self.model_url, self.recorder_url, self.simulator_url = (
            f"http://127.0.0.1:{port}" for port in ports[:4]
        )
        self.telemetry_ports = dict(zip(SERVICES, ports[4:], strict=True))

    def start(self) -> None:
        """Brings everything up in order, stream-getter last. Raises NotStarted, ProcessDied."""
        self._start_emulator()
        self._start_model()
        self._start_witness()
        outputs = create_stack(self.emulator_url)
        self._say("queues and topic are made, by CloudFormation from copilot/environments/addons/messaging.yml")
        client("sns", self.emulator_url).subscribe(
            TopicArn=outputs["NotificationsTopicArn"], Protocol="http", Endpoint=f"{self.recorder_url}/sns"
        )
        if self._source == SIMULATED:
            self._start_simulator()
        self._wait_for("the model", f"{self.model_url}/ping")
        environment = self._service_environment(outputs)
        for service in ("notifier", "classifier", "stream-getter"):
            port = self.telemetry_ports[service]
            self._group.start(service, [str(self._bin / service)], environment | {"TELEMETRY_PORT": str(port)})
        for service, port in self.telemetry_ports.items():
            self._wait_for(service, f"http://127.0.0.1:{port}/readyz")

    def stop(self) -> None:
        """The services first, so that what they still hold finds its queue; leaves no process behind."""
        self._group.stop(*SERVICES)
        self._group.stop("simulator", "recorder", "model", "emulator")

    def _start_emulator(self) -> None:
        port = self.emulator_url.rpartition(":")[2]
        environment = self._environment() | {
            "GATEWAY_PORT": port,
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "DOCKER_HOST": "unix:///nonexistent",  # it looks for Docker, which the demo does without
            "LOG_LEVEL": "ERROR",
        }
        self._group.start("emulator", [str(self._bin / "ministack")], environment)
        self._wait_for("the emulator of SQS and SNS (MiniStack)", f"{self.emulator_url}/_ministack/health")

    def _start_model(self) -> None:
        port = self.model_url.rpartition(":")[2]
        environment = self._environment() | {"HOST": "127.0.0.1", "PORT": port, "LOG_LEVEL": "WARNING"}
        self._group.start("model", [sys.executable, "-m", "zero_shot_model", "serve"], environment)

    def _start_witness(self) -> None:
        port = self.recorder_url.rpartition(":")[2]
        command = [sys.executable, "-m", "demo.recorder", port, self.model_url, str(self.ledgers.recorder)]
        self._group.start("recorder", command, self._environment() | {"PYTHONPATH": str(ROOT)})
        self._wait_for("the receiver of notifications", self.recorder_url)

    def _start_simulator(self) -> None:
        port = self.simulator_url.rpartition(":")[2]
        command = [
            *(sys.executable, "-m", "simulator", "--port", port, "--ledger", str(self.ledgers.simulator)),
            *("--rate", str(self._rate), "--restamp", "--repeat-every", "10"),
            *("--posts", *map(str, self._posts)),
        ]
        self._group.start("simulator", command, self._environment() | {"X_BEARER_TOKEN": _TOKEN})
        self._wait_for("the simulator of X's stream", f"{self.simulator_url}/simulator/health")

    def _environment(self) -> dict[str, str]:
        """Little is passed on: neither a proxy nor the user's own AWS profile may change where the demo goes."""
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        # DEMO_RUN tells in a process list whose child a process is
        return environment | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "DEMO_RUN": str(os.getpid())}

    def _service_environment(self, outputs: dict[str, str]) -> dict[str, str]:
        return {
            **self._environment(),
            **service_environment(outputs),
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ENDPOINT_URL_SQS": self.emulator_url,
            "AWS_ENDPOINT_URL_SNS": self.emulator_url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.recorder_url,
            "SOURCE": self._source,
            "STATE": str(self._folder / STATE),
            "X_API_URL": self.simulator_url,
            "X_BEARER_TOKEN": _TOKEN,
            "ENDPOINT_NAME": "minilm",
            "ALERTS_CONFIG": shlex.quote(str(self._config)),
            "LOG_FORMAT": "readable",
            "LOG_LEVEL": self._log_level,
            **self._variables_of_the_source(),
        }

    def _variables_of_the_source(self) -> dict[str, str]:
        prefix = f"{self._source.upper()}_"
        if self._source == SIMULATED:
            return {}
        return {name: value for name, value in os.environ.items() if name.startswith(prefix)}

    def _say(self, text: str) -> None:
        self._group.say(text)

    def _wait_for(self, what: str, url: str) -> None:
        self._say(f"waiting for {what}")
        said = ["no answer"]

        def answers() -> bool:
            try:
                response = requests.get(url, timeout=2, proxies={"http": ""})
            except requests.RequestException:
                return False
            said[0] = " ".join(response.text.split())[:200] or f"HTTP {response.status_code}"
            return response.ok

        if not self.wait_until(answers, _START_SECONDS):
            raise NotStarted(f"{what} was not ready within {_START_SECONDS:.0f} s at {url}: {said[0]}")

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Polls until the condition holds; False after so many seconds. Raises ProcessDied."""
        deadline = time.monotonic() + seconds
        while not condition():
            self._group.check()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on at the moment, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
