"""Two readers of X side by side: every post is read twice, and people are told of it once."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from demo.recorder import Ledger
from demo.stack import service_environment
from simulator import Settings, Simulator
from tests.support.chaos.topic_witness import TopicWitness
from tests.support.emulator import Emulator
from tests.support.endpoint_stand_in import EndpointStandIn
from tests.support.polling import wait_until
from tests.support.recording_proxy import RecordingProxy
from tests.support.service_process import CONFIG, SECONDS, TOKEN, Run, running_services, variables_for

POSTS = 20


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[RecordingProxy]:
    with RecordingProxy(emulator.url) as proxy:
        yield proxy


@pytest.fixture
def run(tmp_path: Path, proxy: RecordingProxy) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


def told(ledger: Path) -> Counter[str]:
    """How often the topic's subscribers were told of each post."""
    return Counter(json.loads(line)["story"] for line in ledger.read_text().splitlines())


def test_each_post_is_read_twice_and_told_once(
    run: Run, emulator: Emulator, proxy: RecordingProxy, stack: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "alerts.yaml"
    config.write_text(CONFIG)
    ledger = tmp_path / "told.jsonl"
    sqs, sns = emulator.client("sqs"), emulator.client("sns")

    def nothing_is_left() -> bool:
        names = ("", "NotVisible", "Delayed")
        return not any(
            int(count)
            for name, url in stack.items()
            if name.endswith("QueueUrl")
            for count in sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=[f"ApproximateNumberOfMessages{which}" for which in names]
            )["Attributes"].values()
        )

    with (
        Simulator(Settings(bearer_token=TOKEN, connections=2)) as x,
        EndpointStandIn() as endpoint,
        closing(Ledger(ledger)) as book,
        TopicWitness(sqs, sns, stack["NotificationsTopicArn"], book),
    ):
        elsewhere = {"stream-getter": x.url, "classifier": endpoint.url, "notifier": ""}
        for service in ("notifier", "classifier", "stream-getter", "stream-getter"):
            variables = variables_for(service, proxy.url, config, elsewhere[service]) | service_environment(stack)
            run(service, variables | {"AWS_ENDPOINT_URL_SNS": proxy.url, "X_READERS": "2"})
        wait_until(lambda: x.health()["connections"] == 2, "both readers", SECONDS)
        ids = [f"x:{post(x.url, f'Flood in street {number}')}" for number in range(POSTS)]
        wait_until(lambda: len(proxy.sent_to(stack["PostsQueueUrl"])) == 2 * POSTS, "all posts, twice", SECONDS)
        wait_until(lambda: len(told(ledger)) == POSTS and nothing_is_left(), "all to be told and done with", SECONDS)
    sent = Counter(json.loads(message["MessageBody"])["id"] for message in proxy.sent_to(stack["PostsQueueUrl"]))
    assert sent == dict.fromkeys(ids, 2)
    assert told(ledger) == dict.fromkeys(ids, 1)


def post(url: str, text: str) -> str:
    answer = requests.post(f"{url}/simulator/posts", data=text.encode(), timeout=10, proxies={"http": ""})
    assert answer.status_code == 202
    return str(answer.json()["id"])
