"""A subscriber of the topic, by a queue of its own: it writes into a ledger whom the notifier has told of what."""

import json
import threading
from types import TracebackType
from typing import Any, Self

from demo.recorder import Ledger

_QUEUE = "witness-of-the-topic"


class TopicWitness:
    """Listens while its context is open. Both clients lead to the emulator itself, past what tests break."""

    def __init__(self, sqs: Any, sns: Any, topic_arn: str, ledger: Ledger) -> None:
        self._sqs = sqs
        self._ledger = ledger
        self._over = threading.Event()
        self._queue_url = sqs.create_queue(QueueName=_QUEUE)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
                }
            ],
        }
        sqs.set_queue_attributes(QueueUrl=self._queue_url, Attributes={"Policy": json.dumps(policy)})
        raw = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes=raw)
        self._thread = threading.Thread(target=self._run, name="topic witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"]
            )
            messages = answer.get("Messages", [])
            for message in messages:
                attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
                self._ledger.write("notified", **attributes)
            if messages:
                entries = [
                    {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                    for index, message in enumerate(messages)
                ]
                self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
