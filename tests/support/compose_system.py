"""compose.yaml as a system under test, with independent witnesses at both ends.

What goes in is in the simulator's ledger; what comes out lies in a queue of the test's own that is subscribed to the
topic. Neither is told by the services.
"""

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests
from testcontainers.compose import DockerCompose

from demo.stack import client

ROOT = Path(__file__).parents[2]
FILES = ["compose.yaml", "compose.without-grafana.yaml"]
TOPIC = "arn:aws:sns:us-east-1:000000000000:tweet-alerts-local-notifications"
SERVICES = ("stream-getter", "classifier", "notifier")


def eventually(condition: Callable[[], bool], seconds: float, what: Callable[[], str] = lambda: "") -> None:
    """Polls until the condition holds; fails with ``what`` after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what()}"
        time.sleep(0.25)


class ComposeSystem:
    """One run of the whole system under a project name of its own, on free ports. Use as a context manager.

    ``config`` is a copy of the configuration, in a folder of its own, that a test may change.
    """

    def __init__(self, project: str, token_file: Path, folder: Path) -> None:
        environment_file = folder / "env"
        self.config = folder / "config/alerts.yaml"
        # the containers' user is another than the one that runs this
        self.config.parent.mkdir()
        self.config.parent.chmod(0o755)
        self.put_config((ROOT / "config/alerts.yaml").read_text())
        environment_file.write_text(
            f"COMPOSE_PROJECT_NAME={project}\nX_BEARER_TOKEN_FILE={token_file}\nCONFIG_FOLDER={self.config.parent}\n"
            "EMULATOR_PORT=0\nSIMULATOR_PORT=0\nPROMETHEUS_PORT=0\nALERTMANAGER_PORT=0\nGRAFANA_PORT=0\n"
        )
        # the classic builder, which every engine has
        os.environ["DOCKER_BUILDKIT"] = "0"
        self._compose = DockerCompose(ROOT, FILES, build=True, wait=True, env_file=str(environment_file))
        self.notified: Counter[str] = Counter()
        self._receiver_url = ""
        self._simulator = ""

    def put_config(self, text: str) -> None:
        """Puts another file in the place of the configuration, as many editors do."""
        new = self.config.with_name("alerts.yaml.new")
        new.write_text(text)
        new.chmod(0o644)
        new.rename(self.config)

    def __enter__(self) -> "ComposeSystem":
        try:
            self._compose.start()
            self.subscribe_receiver()
        except BaseException as error:
            # nobody else would take down what has come up
            try:
                logs = self.docker("logs", "--no-color", "--tail", "30")
            finally:
                self.__exit__()
            said = getattr(error, "stderr", b"")
            raise AssertionError(f"{error}\n{said!r}\n{logs}") from error
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Takes everything down; once or more often."""
        self._compose.stop(down=True)

    def docker(self, *arguments: str) -> str:
        """`docker compose` on this project; its standard output. Raises AssertionError with what it said."""
        command = [*self._compose.compose_command_property, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def container_ids(self, service: str) -> list[str]:
        """Ids of a service's containers, ended ones too."""
        return self.docker("ps", "--all", "--quiet", service).split()

    def inspect(self, container: str) -> dict[str, Any]:
        """`docker inspect` of one container."""
        output = subprocess.run(["docker", "inspect", container], capture_output=True, check=True).stdout
        description: dict[str, Any] = json.loads(output)[0]
        return description

    def url(self, service: str, port: int) -> str:
        """A published port as this machine reaches it; docker picks another at each start."""
        return "http://" + self.docker("port", service, str(port)).strip()

    def healthy(self, parts: Sequence[str]) -> bool:
        """Whether every container of these parts is."""
        containers = [container for part in parts for container in self.container_ids(part)]
        return all(self.inspect(container)["State"]["Health"]["Status"] == "healthy" for container in containers)

    def post(self, text: str) -> str:
        """Puts a post on the stream, waiting for a reader if need be; its id as contracts have it."""
        answers: list[requests.Response] = []

        def taken() -> bool:
            try:
                self._simulator = self._simulator or self.url("simulator", 8090)
                answers.append(requests.post(f"{self._simulator}/simulator/posts", data=text.encode(), timeout=5))
            except (requests.RequestException, AssertionError):
                self._simulator = ""
                return False
            return answers[-1].status_code == 202

        eventually(taken, 60, lambda: answers[-1].text if answers else "no answer")
        return f"x:{answers[-1].json()['id']}"

    def sent(self) -> set[str]:
        """Ids that the simulator's ledger has as sent."""
        ledger = self.docker("exec", "-T", "simulator", "cat", "/ledger/simulator.jsonl")
        events = [json.loads(line) for line in ledger.splitlines()]
        return {f"x:{event['id']}" for event in events if event["event"] == "sent"}

    def subscribe_receiver(self) -> None:
        """A queue of the test's own behind the topic; again after the emulator has lost everything."""
        emulator = self.url("localstack", 4566)
        sqs = client("sqs", emulator)
        sqs.create_queue(QueueName="e2e-receiver")
        arn = "arn:aws:sqs:us-east-1:000000000000:e2e-receiver"
        client("sns", emulator).subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn)
        self._receiver_url = f"{emulator}/000000000000/e2e-receiver"

    def received(self) -> Counter[str]:
        """How often each story has reached the receiver so far."""
        sqs = client("sqs", self.url("localstack", 4566))
        while messages := sqs.receive_message(QueueUrl=self._receiver_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.notified[json.loads(message["Body"])["MessageAttributes"]["story"]["Value"]] += 1
                sqs.delete_message(QueueUrl=self._receiver_url, ReceiptHandle=message["ReceiptHandle"])
        return self.notified

    def wait_until_notified(self, ids: Sequence[str], seconds: float) -> None:
        """Until each of these posts has reached the receiver at least once."""
        eventually(
            lambda: self.received().keys() >= set(ids),
            seconds,
            lambda: f"missing {sorted(set(ids) - self.notified.keys())[:5]} of {len(ids)}",
        )
