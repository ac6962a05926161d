"""The services as processes, each with the variables that deployment gives it and a recorder between it and AWS."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import requests

from demo.stack import REGION
from tests.support.aws_call_recorder import AwsCallRecorder
from tests.support.deployed_services import ACCOUNT, DeployedServices
from tests.support.emulator import Emulator
from tests.support.iam_policies import Right
from tests.support.polling import wait_until
from tests.support.service_process import SECONDS, TOKEN, Run, Variables, free_port

#: Exports of the queues' URLs, by the names that the queues end in.
_QUEUES = {
    "posts": "PostsQueueUrl",
    "posts-dlq": "PostsDeadLetterQueueUrl",
    "alerts": "AlertsQueueUrl",
    "alerts-dlq": "AlertsDeadLetterQueueUrl",
    "deliveries": "DeliveriesQueueUrl",
    "deliveries-dlq": "DeliveriesDeadLetterQueueUrl",
}


class CallRefused(Exception):
    """A service was refused something, and what it would have led to is waited for in vain."""


class ServicesAtWork:
    """Starts and stops services, feeds them, and looks at queues past their recorders."""

    def __init__(
        self,
        deployed: DeployedServices,
        recorders: Mapping[str, AwsCallRecorder],
        emulator: Emulator,
        simulator_url: str,
        run: Run,
    ) -> None:
        self.deployed = deployed
        self.recorders = recorders
        self._emulator = emulator
        self._sqs = emulator.client("sqs")
        self._simulator_url = simulator_url
        self._run = run
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._ending: dict[str, subprocess.Popen[str]] = {}

    @property
    def recorded(self) -> frozenset[Right]:
        """Everything that the services have called so far."""
        return frozenset().union(*(recorder.recorded for recorder in self.recorders.values()))

    @property
    def refused(self) -> list[str]:
        """A line for each request that was refused."""
        return [line for recorder in self.recorders.values() for line in recorder.refused]

    def start(self, *services: str, endpoint_name: str) -> None:
        """Starts services, and waits for none of them."""
        for service in services:
            self._running[service] = self._run(service, self._variables(service, endpoint_name))

    def ask_to_stop(self) -> None:
        """SIGTERM to every service that runs."""
        self._ending, self._running = self._running, {}
        for process in self._ending.values():
            process.send_signal(signal.SIGTERM)

    def logs_at_the_end(self) -> dict[str, list[dict[str, Any]]]:
        """What each service logged that was asked to stop, once all have ended with 0. Raises CallRefused."""
        said = {service: process.communicate(timeout=SECONDS)[1] for service, process in self._ending.items()}
        if self.refused:
            raise CallRefused("waiting for the end")
        for service, process in self._ending.items():
            assert process.returncode == 0, f"{service}: {said[service]}"
        return {service: [json.loads(line) for line in log.splitlines()] for service, log in said.items()}

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Waits for what services are about to do. Raises CallRefused, or TimeoutError after a minute."""

        def holds() -> object:
            if self.refused:
                raise CallRefused(f"waiting for {what}")
            for service, process in self._running.items():
                assert process.poll() is None, f"{service} ended by itself: {process.communicate()[1]}"
            return condition()

        wait_until(holds, what, SECONDS)

    def upload(self, content: bytes) -> None:
        """Puts a configuration where docs and templates say that it goes."""
        bucket = self.deployed.exported("StateBucketName")
        self._emulator.client("s3").put_object(Bucket=bucket, Key="config/alerts.yaml", Body=content)

    def readers_of_x(self) -> int:
        """How many hold X's stream open."""
        health = requests.get(f"{self._simulator_url}/simulator/health", timeout=SECONDS, proxies={"http": ""})
        return int(health.json()["connections"])

    def post(self, text: str) -> None:
        """Somebody writes a post, and X's stream brings it."""
        url = f"{self._simulator_url}/simulator/posts"
        response = requests.post(url, text, timeout=SECONDS, proxies={"http": ""})
        assert response.status_code == 202, response.text

    def send(self, queue: str, body: str) -> None:
        """Puts a message into a queue, named by what its name ends in: posts, posts-dlq and so on."""
        self._sqs.send_message(QueueUrl=self._url(queue), MessageBody=body)

    def messages(self, queue: str) -> tuple[int, int, int]:
        """How many messages of a queue are visible, in flight, and delayed."""
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=["All"])["Attributes"]
        names = ("", "NotVisible", "Delayed")
        visible, in_flight, delayed = (int(attributes[f"ApproximateNumberOfMessages{name}"]) for name in names)
        return visible, in_flight, delayed

    def arn(self, queue: str) -> str:
        """A queue as IAM knows it."""
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self._url(queue).rpartition('/')[2]}"

    def _url(self, queue: str) -> str:
        return self.deployed.exported(_QUEUES[queue])

    def _variables(self, service: str, endpoint_name: str) -> Variables:
        return {
            **self.deployed.variables[service],
            **self.recorders[service].environment,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "X_BEARER_TOKEN": TOKEN,
            "X_API_URL": self._simulator_url,
            "ENDPOINT_NAME": endpoint_name,
            "TELEMETRY_PORT": str(free_port()),
        }
