"""Which queue is meant: by the variables that the services have, or by name."""

import email.utils
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pipeline.aws_errors import error_code
from pipeline.dead_letters.tries import Tries, in_one_line
from pipeline.errors import UserMistake
from pipeline.settings import CommonSettings, Url, read_settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: What the user calls them.
NAMES = ("posts", "alerts", "deliveries")
DEFAULT_PREFIX = "tweet-alerts-local-"
_NOT_THERE = ("NonExistentQueue", "QueueDoesNotExist")


class QueueUrls(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """The variables of the services that name queues; an empty one is not set."""

    posts_queue_url: Url = ""
    posts_dead_letter_queue_url: Url = ""
    alerts_queue_url: Url = ""
    alerts_dead_letter_queue_url: Url = ""
    deliveries_queue_url: Url = ""
    deliveries_dead_letter_queue_url: Url = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as it was a moment ago. All counts are SQS's own, and approximate.

    ``asked_at`` is the server's clock then, in UNIX seconds, at most a second behind it. ``dead_letters_arn`` is that
    of its redrive policy, empty where it has none.
    """

    url: str
    arn: str
    visible: int
    in_flight: int
    delayed: int
    asked_at: float
    dead_letters_arn: str = ""

    @property
    def name(self) -> str:
        """Its name in AWS."""
        return self.url.rpartition("/")[2]

    @property
    def count(self) -> int:
        """Messages in whatever state."""
        return self.visible + self.in_flight + self.delayed


class Queues:
    """Finds queues. ``prefix`` is what their names begin with, and None where the user has not said.

    A prefix that was given counts; else the variables of the services; else the prefix of the local system.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        tries: Tries,
        environ: Mapping[str, str],
        prefix: str | None,
        region: str,
        now: Callable[[], float],
    ) -> None:
        self._sqs = sqs
        self._tries = tries
        self._urls = read_settings(QueueUrls, environ)
        self._prefix = prefix
        self._region = region
        self._now = now

    def names(self) -> list[str]:
        """The queues whose dead letters can be found: those of the variables, or all where none is set."""
        told = [name for name in NAMES if self._variable(name, dead_letters=True)[1]]
        return told if told and self._prefix is None else list(NAMES)

    def dead_letters(self, name: str) -> Queue:
        """The dead-letter queue of the queue of this name. Raises UserMistake and Unavailable."""
        return self._queue(name, dead_letters=True)

    def home(self, name: str, dead_letters: Queue) -> Queue:
        """The queue that these dead letters come from.

        Raises UserMistake where its redrive policy names others, for then they belong elsewhere, and Unavailable.
        """
        queue = self._queue(name, dead_letters=False)
        if queue.dead_letters_arn not in ("", dead_letters.arn):
            raise UserMistake(
                f"queue {queue.name}: expected that its redrive policy names {dead_letters.arn},"
                f" got {queue.dead_letters_arn}"
            )
        return queue

    def _queue(self, name: str, *, dead_letters: bool) -> Queue:
        variable, url = self._variable(name, dead_letters=dead_letters)
        other, other_url = self._variable(name, dead_letters=not dead_letters)
        if self._prefix is None and url:
            return self._described(
                url, f"environment: {variable}: expected the URL of a queue that exists, got {url!r}"
            )
        if self._prefix is None and other_url:
            raise UserMistake(
                f"environment: {variable}: expected the URL of the queue that belongs to {other}"
                " (or --env or --prefix, which leave the environment aside), got nothing"
            )
        full_name = f"{self._prefix or DEFAULT_PREFIX}{name}{'-dlq' if dead_letters else ''}"
        mistake = (
            f"queue {full_name}: expected a queue of this name in region {self._region}"
            " (--env, --prefix or the services' variables name others), got none"
        )
        with in_one_line(f"queue {full_name}"):
            try:
                found = self._tries.call(self._sqs.get_queue_url, QueueName=full_name)
            except ClientError as error:
                if _is_not_there(error):
                    raise UserMistake(mistake) from error
                raise
        return self._described(found["QueueUrl"], mistake)

    def _described(self, url: str, mistake: str) -> Queue:
        with in_one_line(f"queue {url.rpartition('/')[2]}"):
            try:
                response = self._tries.call(self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])
            except ClientError as error:
                if _is_not_there(error):
                    raise UserMistake(mistake) from error
                raise
        attributes = response["Attributes"]
        return Queue(
            url=url,
            arn=attributes["QueueArn"],
            visible=int(attributes.get("ApproximateNumberOfMessages", 0)),
            in_flight=int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
            delayed=int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
            asked_at=_server_time(response) or self._now(),
            dead_letters_arn=_dead_letters_arn(attributes),
        )

    def _variable(self, name: str, *, dead_letters: bool) -> tuple[str, str]:
        """A queue's variable, and its value."""
        field = f"{name}_dead_letter_queue_url" if dead_letters else f"{name}_queue_url"
        return field.upper(), getattr(self._urls, field)


def _is_not_there(error: ClientError) -> bool:
    return error_code(error).rpartition(".")[2] in _NOT_THERE


def _dead_letters_arn(attributes: Mapping[str, str]) -> str:
    return str(json.loads(attributes.get("RedrivePolicy") or "{}").get("deadLetterTargetArn", ""))


def _server_time(response: Mapping[str, Any]) -> float | None:
    """Of the answer's Date header, in whole seconds (RFC 9110); the user's own clock may be off by hours."""
    date = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
