"""Queues and topic, made by CloudFormation from the one template that production deploys too."""

import time
from pathlib import Path
from typing import Any

import boto3

TEMPLATE = Path(__file__).parent.parent / "copilot/environments/addons/messaging.yml"
REGION = "us-east-1"
_NAME = "messaging"
_DONE = "CREATE_COMPLETE"
_CREATE_SECONDS = 60.0


class StackNotMade(Exception):
    """The emulator could not make the stack; the message names its state."""


def client(service: str, endpoint_url: str) -> Any:
    """A client of an emulator; its credentials are of no worth anywhere else."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106
    )


def create_stack(endpoint_url: str, app: str = "tweet-alerts", env: str = "local") -> dict[str, str]:
    """Makes the stack on an emulator and gives its outputs by name. Raises StackNotMade and botocore's errors."""
    cloudformation = client("cloudformation", endpoint_url)
    cloudformation.create_stack(
        StackName=_NAME,
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": "App", "ParameterValue": app},
            {"ParameterKey": "Env", "ParameterValue": env},
        ],
    )
    deadline = time.monotonic() + _CREATE_SECONDS
    while (stack := cloudformation.describe_stacks(StackName=_NAME)["Stacks"][0])["StackStatus"] != _DONE:
        if stack["StackStatus"] != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
            raise StackNotMade(f"stack {_NAME}: expected {_DONE}, got {stack['StackStatus']}")
        time.sleep(0.1)  # botocore's waiter knows whole seconds only, and an emulator is done sooner
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def service_environment(outputs: dict[str, str]) -> dict[str, str]:
    """The variables that the services read, from the stack's outputs."""
    return {
        "POSTS_QUEUE_URL": outputs["PostsQueueUrl"],
        "POSTS_DEAD_LETTER_QUEUE_URL": outputs["PostsDeadLetterQueueUrl"],
        "ALERTS_QUEUE_URL": outputs["AlertsQueueUrl"],
        "ALERTS_DEAD_LETTER_QUEUE_URL": outputs["AlertsDeadLetterQueueUrl"],
        "DELIVERIES_QUEUE_URL": outputs["DeliveriesQueueUrl"],
        "DELIVERIES_DEAD_LETTER_QUEUE_URL": outputs["DeliveriesDeadLetterQueueUrl"],
        "SNS_TOPIC_ARN": outputs["NotificationsTopicArn"],
    }
