"""`make smoke` on the compose system, as a user runs it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.stack import client
from deployment.smoke_post import label_to_try
from pipeline.alerts_config import read_alerts_config
from tests.support.compose_system import ROOT, TOPIC, ComposeSystem, eventually

SECONDS = 180.0


def make_smoke(system: ComposeSystem, *variables: str) -> "subprocess.CompletedProcess[str]":
    """With the tests' own Python, whichever folder that is in, and without a look at whether it is up to date."""
    programs = Path(sys.executable).parent
    # what `make test` hands down is not for a make of its own
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "smoke", "READY=", f"BIN={programs}", *variables],
        cwd=ROOT,
        env={**inherited, "EMULATOR_PORT": system.url("localstack", 4566).rpartition(":")[2]},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def left_behind(system: ComposeSystem) -> list[str]:
    emulator = system.url("localstack", 4566)
    queues = client("sqs", emulator).list_queues(QueueNamePrefix="tweet-alerts-local-smoke").get("QueueUrls", [])
    subscriptions = client("sns", emulator).list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    return [*queues, *(each["Endpoint"] for each in subscriptions if "smoke" in each["Endpoint"])]


@pytest.fixture
def without_classifier(system: ComposeSystem) -> Iterator[None]:
    system.docker("stop", "--timeout", "30", "classifier")
    yield
    system.docker("start", "classifier")
    eventually(lambda: system.healthy(["classifier"]), 90)


def test_the_notification_comes(system: ComposeSystem) -> None:
    done = make_smoke(system)
    assert (done.returncode, done.stderr) == (0, "")
    sent = re.search(r" 0\.\d s  post (smoke:[0-9a-f]+) sent to tweet-alerts-local-posts\n", done.stdout)
    assert sent
    tried = label_to_try(read_alerts_config(ROOT / "config/alerts.yaml"), "config/alerts.yaml").name
    assert re.search(rf"\d s  notification received: {tried} [01]\.\d\d\n", done.stdout)
    # a witness that is not the command's own
    system.wait_until_notified([sent[1]], 30)
    assert system.notified[sent[1]] == 1
    assert left_behind(system) == []


def test_a_classifier_that_is_stopped_is_named(system: ComposeSystem, without_classifier: None) -> None:
    done = make_smoke(system, "TIMEOUT=10")
    assert "no notification within 10 s" in done.stdout
    assert re.search(r" posts: [1-9]\d* waiting, ", done.stdout)
    verdict, by_make = done.stderr.splitlines()
    assert verdict == (
        "smoke: the post most likely waits in the posts queue, and goes on once classifier receives it: "
        "docker compose logs classifier"
    )
    # make tells the command's exit code and has one of its own
    assert re.fullmatch(r"make: \*\*\* \[Makefile:\d+: smoke\] Error 1", by_make)
    assert done.returncode == 2
    assert left_behind(system) == []
