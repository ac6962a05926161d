"""classifier and notifier as real processes whose configuration changes while they run."""

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.stack import service_environment
from pipeline.contracts import Message, encode
from tests.support.emulator import Emulator
from tests.support.examples import a_delivery, a_post, an_alert
from tests.support.misbehaving_server import MisbehavingServer, respond
from tests.support.polling import wait_until
from tests.support.service_process import (
    SECONDS,
    Run,
    Variables,
    asked,
    log_after_sigterm,
    running_services,
    variables_for,
)

CONFIG = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}, desk: {type: sns}}
routes: [{channels: [desk]}]
ops: [desk]
"""
RAISED = CONFIG.replace("0.5", "0.8")
WRONG = CONFIG.replace("0.5", "5")
WITHOUT_DESK = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""
FAR_AWAY = datetime(2100, 1, 1, tzinfo=UTC)
#: The score of every post.
SCORES = respond("200 OK", b'[{"sequence": "", "labels": ["flood"], "scores": [0.7]}]')


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


@pytest.fixture(scope="module")
def endpoint() -> Iterator[MisbehavingServer]:
    with MisbehavingServer(SCORES) as endpoint:
        yield endpoint


class System:
    """Services on queues of their own, fed and watched from outside."""

    def __init__(self, emulator: Emulator, stack: dict[str, str], run: Run, endpoint_url: str, place: str) -> None:
        self._sqs = emulator.client("sqs")
        self._run = run
        self._common = emulator.environment | service_environment(stack)
        self._common |= {
            "ALERTS_CONFIG": place,
            "CONFIG_RELOAD_SECONDS": "0.2",
            "AWS_ENDPOINT_URL_SSM": emulator.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint_url,
        }
        self.queues = {name: stack[f"{name}QueueUrl"] for name in ("Posts", "Alerts", "Deliveries")}
        self.queues["DeliveriesDeadLetter"] = stack["DeliveriesDeadLetterQueueUrl"]
        self.queues["Receiver"] = self._receiver(emulator, stack)
        self._variables: dict[str, Variables] = {}
        self._processes: dict[str, Any] = {}
        self.received: list[dict[str, str]] = []
        self._ids = itertools.count()

    def _receiver(self, emulator: Emulator, stack: dict[str, str]) -> str:
        name = stack["NotificationsTopicArn"].rpartition(":")[2] + "-receiver"
        url: str = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        emulator.client("sns").subscribe(TopicArn=stack["NotificationsTopicArn"], Protocol="sqs", Endpoint=arn)
        return url

    def start(self, *services: str) -> None:
        for service in services:
            self._variables[service] = variables_for(service, "http://127.0.0.1:9", "") | self._common
            self._processes[service] = self._run(service, self._variables[service])

    def metric(self, service: str, series: str) -> float | None:
        """What the service says of itself; None until it runs."""
        response = asked(self._variables[service], "/metrics")
        if response is None:
            return None
        (line,) = [line for line in response.text.splitlines() if line.startswith(f"{series} ")]
        return float(line.rpartition(" ")[2])

    def wait_for_metric(self, service: str, series: str, value: float) -> None:
        wait_until(lambda: self.metric(service, series) == value, f"{series} of {service} to be {value}", SECONDS)

    def send(self, queue: str, message: Message) -> None:
        self._sqs.send_message(QueueUrl=self.queues[queue], MessageBody=encode(message))

    def take(self, queue: str) -> list[dict[str, Any]]:
        """What lies in a queue that no service reads; it is deleted."""
        messages: list[dict[str, Any]] = self._sqs.receive_message(
            QueueUrl=self.queues[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"])
        return messages

    def wait_until_worked_off(self, queue: str) -> None:
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]

        def is_empty() -> bool:
            answer = self._sqs.get_queue_attributes(QueueUrl=self.queues[queue], AttributeNames=names)
            return all(answer["Attributes"].get(name, "0") == "0" for name in names)

        wait_until(is_empty, f"queue {queue} to be empty", SECONDS)

    def judged_as_alert(self) -> bool:
        """Whether a new post becomes an alert; classifier runs and notifier does not."""
        self.send("Posts", a_post(f"x:{next(self._ids)}"))
        self.wait_until_worked_off("Posts")
        return len(self.take("Alerts")) == 1

    def told(self, kind: str) -> list[str]:
        """The texts of this kind that have come to the topic so far."""
        for message in self.take("Receiver"):
            body = json.loads(message["Body"])
            self.received.append({"kind": body["MessageAttributes"]["kind"]["Value"], "text": body["Message"]})
        return [told["text"] for told in self.received if told["kind"] == kind]

    def wait_until_told(self, kind: str, count: int) -> list[str]:
        wait_until(lambda: len(self.told(kind)) >= count, f"{count} of kind {kind}", SECONDS)
        return self.told(kind)

    def alert_is_told(self) -> None:
        """An alert that is sent now reaches the topic."""
        before = len(self.told("first"))
        self.send("Alerts", an_alert("flood", post=a_post(f"x:{next(self._ids)}")))
        self.wait_until_told("first", before + 1)

    def logs_at_the_end(self) -> dict[str, list[dict[str, Any]]]:
        return {service: log_after_sigterm(process) for service, process in self._processes.items()}


def replace(file: Path, text: str) -> None:
    """As many editors do: the new file is renamed over the old one."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(text)
    new.rename(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alerts.yaml"


@pytest.fixture
def by_file(emulator: Emulator, stack: dict[str, str], run: Run, endpoint: MisbehavingServer, file: Path) -> System:
    file.write_text(CONFIG)
    return System(emulator, stack, run, endpoint.url, str(file))


def test_a_threshold_counts_without_a_restart_wherever_it_stands(
    emulator: Emulator, stack: dict[str, str], run: Run, endpoint: MisbehavingServer, file: Path
) -> None:
    bucket, parameter = "reload", "/reload/alerts"
    s3, ssm = emulator.client("s3"), emulator.client("ssm")
    s3.create_bucket(Bucket=bucket)
    file.write_text(CONFIG)
    # the first that exists counts, so each place takes over from the one before
    places = f"ssm:{parameter} s3://{bucket}/alerts.yaml '{file}'"
    system = System(emulator, stack, run, endpoint.url, places)
    system.start("classifier")
    assert system.judged_as_alert()
    changes: list[Callable[[str], object]] = [
        partial(replace, file),
        lambda text: s3.put_object(Bucket=bucket, Key="alerts.yaml", Body=text),
        lambda text: s3.put_object(Bucket=bucket, Key="alerts.yaml", Body=text),
        lambda text: ssm.put_parameter(Name=parameter, Value=text, Type="String", Overwrite=True),
        lambda text: ssm.put_parameter(Name=parameter, Value=text, Type="String", Overwrite=True),
    ]
    for number, put in enumerate(changes, start=1):
        is_raised = number % 2 == 1
        put(RAISED if is_raised else CONFIG)
        system.wait_for_metric("classifier", 'config_reloads_total{outcome="applied"}', number)
        assert system.judged_as_alert() is not is_raised


def test_a_wrong_one_is_refused_and_told_once_and_the_old_rules_go_on(by_file: System, file: Path) -> None:
    by_file.start("classifier", "notifier")
    by_file.send("Posts", a_post("x:at-the-start"))
    by_file.wait_until_told("first", 1)
    replace(file, WRONG)
    for service in ("classifier", "notifier"):
        by_file.wait_for_metric(service, "config_valid", 0)
    reason = f"{file}: labels[0].threshold: expected a number from 0 to 1, got 5"
    (notice,) = by_file.wait_until_told("notice", 1)
    assert notice.startswith(f"warning from notifier: {reason}. It is refused; {file}, sha256 ")
    by_file.send("Posts", a_post("x:while-it-is-wrong"))
    by_file.wait_until_told("first", 2)

    replace(file, RAISED)
    for service in ("classifier", "notifier"):
        by_file.wait_for_metric(service, "config_valid", 1)
    mended = by_file.wait_until_told("notice", 2)[1]
    assert mended.startswith(f"info from notifier: {file}, sha256 ")
    assert mended.endswith(", is in force (labels 1, channels 2, routes 1). What was refused is mended")

    logs = by_file.logs_at_the_end()
    for service, log in logs.items():
        refusals = [line for line in log if line["event"] == "configuration refused, the old one stays in force"]
        assert [line["reason"] for line in refusals] == [reason], service
    assert len(by_file.told("notice")) == 2


def test_channels_and_routes_come_and_go(by_file: System, file: Path) -> None:
    file.write_text(WITHOUT_DESK)
    by_file.start("notifier")
    by_file.wait_for_metric("notifier", 'config_reloads_total{outcome="applied"}', 0)
    replace(file, CONFIG)
    by_file.wait_for_metric("notifier", 'config_reloads_total{outcome="applied"}', 1)
    # the new channel is that of the new ops route too
    (notice,) = by_file.wait_until_told("notice", 1)
    assert ", is in force (labels 1, channels 2, routes 1)" in notice
    by_file.alert_is_told()

    replace(file, WITHOUT_DESK)
    by_file.wait_for_metric("notifier", 'config_reloads_total{outcome="applied"}', 2)
    by_file.send("Alerts", an_alert("flood", post=a_post("x:to-the-terminal")))
    by_file.send("Deliveries", a_delivery("x:late/first/desk", channel="desk", expires_at=FAR_AWAY))
    letters: list[dict[str, Any]] = []

    def letter_has_come() -> bool:
        letters.extend(by_file.take("DeliveriesDeadLetter"))
        return bool(letters)

    wait_until(letter_has_come, "the dead letter", SECONDS)
    (letter,) = letters
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "channel desk: not in the configuration"
    for queue in ("Alerts", "Deliveries"):
        by_file.wait_until_worked_off(queue)
    assert len(by_file.told("first")) == 1

    replace(file, CONFIG)
    by_file.wait_for_metric("notifier", 'config_reloads_total{outcome="applied"}', 3)
    by_file.alert_is_told()


def test_a_channel_that_the_environment_has_nothing_for_is_refused(
    emulator: Emulator, stack: dict[str, str], run: Run, endpoint: MisbehavingServer, file: Path
) -> None:
    file.write_text(WITHOUT_DESK)
    without_topic = stack | {"NotificationsTopicArn": ""}
    system = System(emulator, stack, run, endpoint.url, str(file))
    system._common |= service_environment(without_topic)
    system.start("notifier")
    system.wait_for_metric("notifier", "config_valid", 1)
    replace(file, CONFIG)
    system.wait_for_metric("notifier", "config_valid", 0)
    log = system.logs_at_the_end()["notifier"]
    (refusal,) = [line for line in log if line["event"] == "configuration refused, the old one stays in force"]
    assert refusal["reason"].startswith("environment: SNS_TOPIC_ARN: expected the ARN of a topic for channel 'desk'")
