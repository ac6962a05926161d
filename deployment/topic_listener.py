"""A queue that listens to the notifications topic for as long as a smoke test runs, and then is gone."""

import json
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from deployment.environment import one_line
from pipeline.errors import Unavailable

#: Seconds of a long poll. A request to end waits for the poll that is under way.
_POLL_SECONDS = 2
#: Seconds after which SQS itself forgets what nobody has fetched; each message is looked at once.
_RETENTION = 300
#: Seconds within which SNS confirms a queue of the same account, which it does by itself.
_CONFIRM_SECONDS = 30.0
_CONFIRM_PAUSE = 0.5


class Notification(NamedTuple):
    """What the notifier published about the post."""

    label: str
    score: float


class TopicListener:
    """``open``, ``wait_for`` one story, and ``close`` whatever happened between."""

    def __init__(
        self,
        sqs: Any,
        sns: Any,
        topic_arn: str,
        queue_name: str,
        clock: Callable[[], float],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._sqs = sqs
        self._sns = sns
        self._topic_arn = topic_arn
        self.queue_name = queue_name
        partition, _, region, account, _ = topic_arn.removeprefix("arn:").split(":")
        self._queue_arn = f"arn:{partition}:sqs:{region}:{account}:{queue_name}"
        self._clock = clock
        self._sleep = sleep
        self._queue_url = ""
        self._subscription_arn = ""
        # where an answer is lost, what was asked for may be there all the same
        self._may_have_queue = False
        self._may_have_subscription = False

    def open(self, story: str) -> None:
        """Makes the queue, subscribes it to what the topic says of this story, and returns once that is in force.

        Raises botocore's errors, and Unavailable where SNS does not confirm the subscription.
        """
        # the policy comes with the queue: a later one takes up to a minute to be in force (SQS API Reference,
        # SetQueueAttributes)
        attributes = {
            "SqsManagedSseEnabled": "true",
            "MessageRetentionPeriod": str(_RETENTION),
            "VisibilityTimeout": str(_RETENTION),
            "Policy": json.dumps(self._policy()),
        }
        self._may_have_queue = True
        try:
            self._queue_url = self._sqs.create_queue(QueueName=self.queue_name, Attributes=attributes)["QueueUrl"]
        except ClientError:
            self._may_have_queue = False
            raise
        self._may_have_subscription = True
        try:
            self._subscription_arn = self._sns.subscribe(
                TopicArn=self._topic_arn,
                Protocol="sqs",
                Endpoint=self._queue_arn,
                Attributes={"FilterPolicy": json.dumps({"story": [story]})},
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]
        except ClientError:
            self._may_have_subscription = False
            raise
        deadline = self._clock() + _CONFIRM_SECONDS
        while self._is_pending():
            if self._clock() > deadline:
                raise Unavailable(f"subscription {self._subscription_arn}: expected to be confirmed, is pending")
            self._sleep(_CONFIRM_PAUSE)

    def wait_for(self, story: str, deadline: float, is_asked_to_end: Callable[[], bool]) -> Notification | None:
        """The story's notification; None when ``clock`` has reached the deadline, or at a request to end."""
        while not is_asked_to_end() and (left := deadline - self._clock()) > 0:
            response = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=min(_POLL_SECONDS, math.ceil(left)),
            )
            for message in response.get("Messages", []):
                attributes = json.loads(message["Body"]).get("MessageAttributes", {})
                # a filter policy takes up to 15 minutes to be in force everywhere (Amazon SNS subscription filter
                # policies): until then notifications of other stories may come too
                if attributes.get("story", {}).get("Value") == story:
                    return Notification(attributes["label"]["Value"], float(attributes["score"]["Value"]))
        return None

    def close(self) -> list[str]:
        """Removes both; for each that could not be, one line that names it. Raises nothing of AWS's."""
        left = []
        for what, remove in (
            (f"subscription of {self._queue_arn} to {self._topic_arn}", self._unsubscribe),
            (f"queue {self.queue_name}", self._delete_queue),
        ):
            try:
                remove()
            except (BotoCoreError, ClientError) as error:
                left.append(f"{what}: {one_line(error)}")
        return left

    def _unsubscribe(self) -> None:
        if self._may_have_subscription:
            for arn in [self._subscription_arn] if self._subscription_arn else self._found_subscriptions():
                self._sns.unsubscribe(SubscriptionArn=arn)

    def _found_subscriptions(self) -> list[str]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self._topic_arn)
        return [
            subscription["SubscriptionArn"]
            for page in pages
            for subscription in page["Subscriptions"]
            if subscription["Endpoint"] == self._queue_arn
        ]

    def _delete_queue(self) -> None:
        if not self._may_have_queue:
            return
        try:
            url = self._queue_url or self._sqs.get_queue_url(QueueName=self.queue_name)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist:
            return
        self._sqs.delete_queue(QueueUrl=url)

    def _is_pending(self) -> bool:
        attributes = self._sns.get_subscription_attributes(SubscriptionArn=self._subscription_arn)["Attributes"]
        return bool(attributes.get("PendingConfirmation", "false") == "true")

    def _policy(self) -> dict[str, Any]:
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TheTopicAlone",
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": self._queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": self._topic_arn}},
                }
            ],
        }
