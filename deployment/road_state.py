"""What the queues tell of a post that did not arrive: where messages wait, which are dead, and whose logs to read."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from deployment.environment import Environment
from pipeline.hostile_text import one_line

#: The queues in the order of the road, each with the service that reads it.
READERS = {"posts": "classifier", "alerts": "notifier", "deliveries": "notifier"}

#: Receives of up to ten dead letters. None hides a letter, so one may be seen again instead of another.
_LOOKS = 5
_REASON_LENGTH = 300


class Depth(NamedTuple):
    """How many messages of a queue wait, are in its reader's hands, or come later. SQS gives them approximately."""

    waiting: int
    in_hand: int
    delayed: int


class DeadLetter(NamedTuple):
    """The queue whose message it was, the service that gave it up (empty: SQS itself did), and why."""

    queue: str
    service: str
    reason: str


class RoadState:
    """Looks at the three queues and their dead letters; deletes nothing and hides nothing. Raises botocore's errors."""

    def __init__(self, environment: Environment) -> None:
        self._sqs = environment.client("sqs")
        self._urls = {queue: environment.export(f"{queue.capitalize()}QueueUrl") for queue in READERS}
        self._dead_urls = {queue: environment.export(f"{queue.capitalize()}DeadLetterQueueUrl") for queue in READERS}

    def depths(self) -> dict[str, Depth]:
        """By queue."""
        return {queue: self._depth(url) for queue, url in self._urls.items()}

    def dead_letter_counts(self) -> dict[str, int]:
        """By queue."""
        return {queue: self._depth(url).waiting for queue, url in self._dead_urls.items()}

    def dead_letter_of(self, post_id: str) -> DeadLetter | None:
        """The post, its alert or its delivery among the dead letters, as far as a few looks tell."""
        return next(filter(None, (self._dead_letter(queue, post_id) for queue in READERS)), None)

    def _depth(self, url: str) -> Depth:
        names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return Depth(*(int(attributes[name]) for name in names))

    def _dead_letter(self, queue: str, post_id: str) -> DeadLetter | None:
        for _ in range(_LOOKS):
            response = self._sqs.receive_message(
                QueueUrl=self._dead_urls[queue],
                MaxNumberOfMessages=10,
                VisibilityTimeout=0,
                # the least that makes SQS ask all of its servers
                WaitTimeSeconds=1,
                MessageAttributeNames=["All"],
            )
            messages = response.get("Messages", [])
            for message in messages:
                if post_id in message["Body"]:
                    return _dead_letter(queue, message)
            if not messages:
                return None
        return None


def _dead_letter(queue: str, message: Mapping[str, Any]) -> DeadLetter:
    attributes = message.get("MessageAttributes", {})
    reason = attributes.get("reason", {}).get("StringValue", "it was received too often")
    service = attributes.get("service", {}).get("StringValue", "")
    # it may quote the post
    return DeadLetter(queue, service, one_line(reason, _REASON_LENGTH))


def suspect(before: Mapping[str, Depth], after: Mapping[str, Depth]) -> str | None:
    """The queue that has grown most since before the post, of equals the first on the road; None where none has.

    Growth, since a backlog of old may lie behind the place where the road is broken now.
    """
    growth = {queue: sum(after[queue]) - sum(before[queue]) for queue in READERS}
    queue = max(growth, key=lambda name: growth[name])
    return queue if growth[queue] > 0 else None


def described(before: Mapping[str, Depth], after: Mapping[str, Depth], dead: Mapping[str, int]) -> Sequence[str]:
    """A line for each queue."""
    return [
        f"{queue}: {now.waiting} waiting, {now.in_hand} in hand, {now.delayed} for later "
        f"({sum(before[queue])} in all before the post); dead letters: {dead[queue]}"
        for queue, now in after.items()
    ]
