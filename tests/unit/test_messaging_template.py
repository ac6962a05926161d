"""Where the one definition of the queues is easy to break without an emulator noticing."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

TEMPLATE = Path("copilot/environments/addons/messaging.yml")
QUEUES = ("Posts", "Alerts", "Deliveries")


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    # the short forms !Ref and !Sub read as what they wrap
    text = re.sub(r"!(Ref|Sub|GetAtt) ", "", TEMPLATE.read_text())
    document: dict[str, Any] = YAML(typ="safe").load(text)
    return document


@pytest.mark.parametrize("name", QUEUES)
def test_dead_letters_outlive_their_queue(template: dict[str, Any], name: str) -> None:
    queue = template["Resources"][f"{name}Queue"]["Properties"]
    dead_letters = template["Resources"][f"{name}DeadLetterQueue"]["Properties"]
    assert dead_letters["MessageRetentionPeriod"] == 14 * 86_400 > queue["MessageRetentionPeriod"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == f"{name}DeadLetterQueue.Arn"
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 100


def test_every_queue_is_encrypted_and_refuses_plain_http(template: dict[str, Any]) -> None:
    queues = {name for name, body in template["Resources"].items() if body["Type"] == "AWS::SQS::Queue"}
    assert len(queues) == 6
    assert set(template["Resources"]["TransportPolicy"]["Properties"]["Queues"]) == queues
    assert all(template["Resources"][name]["Properties"]["SqsManagedSseEnabled"] is True for name in queues)


def test_every_output_is_exported_under_application_and_environment(template: dict[str, Any]) -> None:
    for name, output in template["Outputs"].items():
        assert output["Export"]["Name"] == f"${{App}}-${{Env}}-{name}"
