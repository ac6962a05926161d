"""One environment on the emulator with the services that a test starts there, and smoke tests of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from demo.road import free_ports
from demo.stack import service_environment
from pipeline.sqs_rules import string_attributes
from tests.support.emulator import Emulator
from tests.support.polling import wait_until

CONFIG = Path("config/alerts.yaml").resolve()
NOBODY = "http://127.0.0.1:9"
SECONDS = 90.0


class SmokeRoad:
    """Programs run as processes; ``kill_all`` ends those that still do. ``folder`` takes the services' logs."""

    def __init__(self, emulator: Emulator, outputs: Mapping[str, str], folder: Path) -> None:
        self.emulator = emulator
        self.outputs = outputs
        self.topic = outputs["NotificationsTopicArn"]
        self.name = self.topic.rpartition(":")[2].removeprefix("tweet-alerts-").removesuffix("-notifications")
        self.sqs, self.sns = emulator.client("sqs"), emulator.client("sns")
        self._folder = folder
        self._started: list[subprocess.Popen[Any]] = []

    def start_service(self, service: str, model_url: str = NOBODY, **more: str) -> None:
        """Returns once it has come up, which is before its first poll is over and lets it call itself ready."""
        port = free_ports(1)[0]
        variables = {
            **self.emulator.environment,
            **service_environment(dict(self.outputs)),
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": model_url,
            "ENDPOINT_NAME": "minilm",
            "ALERTS_CONFIG": str(CONFIG),
            "TELEMETRY_PORT": str(port),
            **more,
        }
        with (self._folder / f"{service}.log").open("wb") as log:
            process = self._start([sys.executable, "-m", service], variables, stdout=log, stderr=subprocess.STDOUT)

        def has_answered() -> bool:
            assert process.poll() is None, Path(log.name).read_text()
            try:
                return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5, proxies={"http": ""}).ok
            except requests.ConnectionError:
                return False

        wait_until(has_answered, f"{service} to start", SECONDS)

    def start_smoke(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        aws = {**self.emulator.environment, "AWS_ENDPOINT_URL": self.emulator.url, **variables}
        command = [sys.executable, "-m", "deployment.smoke", "--env", self.name, *arguments]
        return self._start(command, aws, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def smoke(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        process = self.start_smoke(*arguments, **variables)
        stdout, stderr = process.communicate(timeout=SECONDS)
        assert "Traceback" not in stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def _start(self, command: list[str], variables: Mapping[str, str], **options: Any) -> "subprocess.Popen[Any]":
        import_path = os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": import_path, **variables}
        process = subprocess.Popen(command, env=environment, **options)
        self._started.append(process)
        return process

    def kill_all(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()

    def smoke_queues(self) -> list[str]:
        urls: list[str] = self.sqs.list_queues(QueueNamePrefix=f"tweet-alerts-{self.name}-smoke").get("QueueUrls", [])
        return urls

    def subscriptions(self) -> list[Any]:
        subscriptions: list[Any] = self.sns.list_subscriptions_by_topic(TopicArn=self.topic)["Subscriptions"]
        return subscriptions

    def nothing_is_left(self) -> bool:
        return not self.smoke_queues() and not self.subscriptions()

    def subscribed_queue(self, name: str) -> str:
        """The URL of a queue of the test's own that gets every notification."""
        url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        return url

    def received(self, url: str) -> list[Any]:
        """The notifications that lie in a queue."""
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    def send(self, url: str, body: str, **attributes: str) -> None:
        self.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=string_attributes(attributes))

    def publish(self, story: str, label: str, score: str) -> None:
        attributes = string_attributes({"story": story, "label": label, "score": score})
        self.sns.publish(TopicArn=self.topic, Message="text", MessageAttributes=attributes)

    def waiting(self, output: str) -> int:
        name = "ApproximateNumberOfMessages"
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=[name])
        return int(attributes["Attributes"][name])
