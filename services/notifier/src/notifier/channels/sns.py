"""Amazon SNS: one topic, whose subscribers filter by the attributes label, score, source, story and kind."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from notifier.channels.contract import Delivered, Failed, Outcome
from notifier.channels.message import full_text
from notifier.hostile_text import ascii_subject
from pipeline.contracts import Delivery
from pipeline.hostile_text import one_line

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

#: Characters of a message: SNS takes 256 KiB for all ten of a batch together, and a character takes up to 4 bytes.
_MESSAGE_LENGTH = 5_000
_ATTRIBUTE_LENGTH = 256


class SnsChannel:
    """See Channel."""

    def __init__(self, sns: "SNSClient", topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """See Channel."""
        entries = [_entry(str(index), delivery) for index, delivery in enumerate(deliveries)]
        try:
            response = self._sns.publish_batch(TopicArn=self._topic_arn, PublishBatchRequestEntries=entries)
        except (BotoCoreError, ClientError) as error:
            return [Failed(f"SNS: {error}")] * len(deliveries)
        # rather twice than never: only what SNS says it accepted is delivered
        outcomes: list[Outcome] = [Failed("SNS: no word about this entry")] * len(deliveries)
        for accepted in response.get("Successful", []):
            outcomes[int(accepted["Id"])] = Delivered()
        for entry in response.get("Failed", []):
            reason = f"SNS: {entry.get('Code')}: {entry.get('Message', '')}"
            outcomes[int(entry["Id"])] = Failed(reason, final=bool(entry.get("SenderFault")))
        return outcomes


def _entry(id_: str, delivery: Delivery) -> Any:
    attributes = {"kind": delivery.kind.value, "story": delivery.story_id}
    if delivery.post:
        attributes |= {"source": delivery.post.source, "label": delivery.label}
    entry: dict[str, Any] = {
        "Id": id_,
        "Subject": ascii_subject(_subject(delivery)),
        "Message": full_text(delivery, _MESSAGE_LENGTH),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": one_line(value, _ATTRIBUTE_LENGTH)}
            for name, value in attributes.items()
            if value
        },
    }
    if delivery.labels:
        score = {"DataType": "Number", "StringValue": f"{delivery.labels[0].score:.4f}"}
        entry["MessageAttributes"]["score"] = score
    return entry


def _subject(delivery: Delivery) -> str:
    if delivery.post is None:
        return delivery.text
    return f"{delivery.label}: {delivery.post.text}"
