"""A server of SQS as a scenario uses it: real or not, it is the same to a client."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError


@dataclass
class Stage:
    """A server, with a queue and its dead-letter queue that nobody has used; a message has two receives there."""

    client: Any
    name: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.dead_letters = self.make_queue()
        self.dead_letters_arn = self.attribute(self.dead_letters, "QueueArn")
        self.url = self.make_queue(RedrivePolicy=self.redrive_policy(2))

    def redrive_policy(self, most_receives: int, arn: str | None = None) -> str:
        return json.dumps({"deadLetterTargetArn": arn or self.dead_letters_arn, "maxReceiveCount": most_receives})

    def make_queue(self, **attributes: str) -> str:
        return str(self.client.create_queue(QueueName=self.new_name(), Attributes=attributes)["QueueUrl"])

    def new_name(self) -> str:
        return f"{self.name}-{next(self._numbers)}"

    def attribute(self, url: str, name: str) -> str:
        return str(self.client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])

    def send(self, body: str = "a", url: str | None = None, **options: Any) -> Any:
        return self.client.send_message(QueueUrl=url or self.url, MessageBody=body, **options)

    def receive(self, url: str | None = None, **options: Any) -> list[Any]:
        options = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"], **options}
        answer = self.client.receive_message(QueueUrl=url or self.url, MessageAttributeNames=["All"], **options)
        return list(answer.get("Messages", []))

    def delete(self, message: Any) -> None:
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def hide(self, message: Any, seconds: int) -> None:
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
        )

    def counts(self, url: str | None = None) -> list[int]:
        """Messages that are visible, in flight, and delayed."""
        names = [f"ApproximateNumberOfMessages{what}" for what in ("", "NotVisible", "Delayed")]
        attributes = self.client.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return [int(attributes[name]) for name in names]


def outcome(call: Callable[..., object], *arguments: object, **request: object) -> str:
    """ "ok", or the code of the error as boto3 shows it."""
    try:
        call(*arguments, **request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


def entries(answer: Any) -> tuple[list[str], list[tuple[str, str, bool]]]:
    """The ids of a batch's entries that succeeded; id, code and sender's fault of those that failed."""
    failed = [(entry["Id"], entry["Code"], entry["SenderFault"]) for entry in answer.get("Failed", [])]
    return [entry["Id"] for entry in answer.get("Successful", [])], failed


def receives(message: Any) -> int:
    return int(message["Attributes"]["ApproximateReceiveCount"])


def string(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}
