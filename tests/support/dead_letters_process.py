"""`pipeline dead-letters` as a real process, and the queues that it works on."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.stack import client
from pipeline.sqs_rules import string_attributes

#: Seconds that a command may take.
SECONDS = 120.0


@contextmanager
def started(environment: Mapping[str, str], *arguments: str, **how: Any) -> "Iterator[subprocess.Popen[str]]":
    """The command, with these variables and little else. It is killed if it has not ended by the end of the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "dead-letters", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        text=True,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def run(environment: Mapping[str, str], *arguments: str) -> Done:
    """Runs the command to its end."""
    with started(environment, *arguments) as process:
        out, err = process.communicate(timeout=SECONDS)
    return Done(process.returncode, out, err)


class Pair:
    """A queue and its dead letters on some server, seen by a client that is not the product's."""

    def __init__(self, endpoint_url: str, queue_url: str, dead_letters_url: str) -> None:
        self.sqs = client("sqs", endpoint_url)
        self.queue_url = queue_url
        self.dead_letters_url = dead_letters_url

    def put_dead(self, bodies: Sequence[str], **attributes: str) -> None:
        """Dead letters with these bodies, as a service sends them."""
        given = {"service": "classifier", "source_message_id": "source", **attributes}
        for number in range(0, len(bodies), 10):
            entries = [
                {"Id": str(index), "MessageBody": body, "MessageAttributes": string_attributes(given)}
                for index, body in enumerate(bodies[number : number + 10])
            ]
            answer = self.sqs.send_message_batch(QueueUrl=self.dead_letters_url, Entries=entries)
            assert len(answer["Successful"]) == len(entries)

    def count(self, url: str) -> tuple[int, int]:
        """Messages that are visible, and in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(answer[names[0]]), int(answer[names[1]])

    def visible_dead(self) -> int:
        """Dead letters that can be received."""
        return self.count(self.dead_letters_url)[0]

    def drained(self, url: str) -> list[dict[str, Any]]:
        """Takes out all messages that can be received."""
        taken: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0, MessageAttributeNames=["All"]
        ).get("Messages"):
            taken += messages
            entries = [
                {"Id": str(index), "ReceiptHandle": each["ReceiptHandle"]} for index, each in enumerate(messages)
            ]
            assert not self.sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")
        return taken


def bodies_of(messages: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How often each body is among them."""
    return Counter(message["Body"] for message in messages)


def attributes_of(message: Mapping[str, Any]) -> dict[str, str]:
    """The texts among a message's attributes."""
    return {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}


def numbered(prefix: str, number: int) -> list[str]:
    """So many different bodies."""
    return [f"{prefix} {index}" for index in itertools.islice(itertools.count(), number)]
