"""Send, receive, delete, change visibility: requests in, answers out (SQS API Reference, actions of these names)."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.support.strict_sqs import message_attributes
from tests.support.strict_sqs.batch_rules import check_batch, check_payload
from tests.support.strict_sqs.context import Context
from tests.support.strict_sqs.errors import SqsError, invalid_value, missing_parameter
from tests.support.strict_sqs.faults import EntryFails
from tests.support.strict_sqs.limits import BATCH_ENTRIES, LONGEST_POLL, LONGEST_VISIBILITY
from tests.support.strict_sqs.message import Delivery
from tests.support.strict_sqs.message_rules import accepted_content, delay_of

Answer = dict[str, Any]
_SENDER_ID = "AIDAEXAMPLESENDER"


def send_message(context: Context) -> Answer:
    return _send(context, context.request)


def send_message_batch(context: Context) -> Answer:
    entries = context.request["Entries"]
    check_batch(entries, "SendMessageBatchRequestEntry")
    check_payload(entries)
    return _each(context, lambda entry: _send(context, entry))


def receive_message(context: Context) -> Answer:
    request = context.request
    limit = _in_range(request, "MaxNumberOfMessages", 1, BATCH_ENTRIES, "Must be between 1 and 10, if provided.")
    visibility = _in_range(
        request, "VisibilityTimeout", 0, LONGEST_VISIBILITY, "Must be >= 0 and <= 43200, if provided."
    )
    poll = _in_range(request, "WaitTimeSeconds", 0, LONGEST_POLL, "Must be >= 0 and <= 20, if provided.")
    deliveries = context.broker.receive(context.queue, 1 if limit is None else limit, visibility, poll, context.shape)
    system = [*request.get("AttributeNames", ()), *request.get("MessageSystemAttributeNames", ())]
    attributes = request.get("MessageAttributeNames", [])
    messages = [_message(delivery, system, attributes) for delivery in deliveries]
    return {"Messages": messages} if messages else {}


def delete_message(context: Context) -> Answer:
    context.broker.delete(context.queue, context.request["ReceiptHandle"])
    return {}


def delete_message_batch(context: Context) -> Answer:
    check_batch(context.request["Entries"], "DeleteMessageBatchRequestEntry")
    return _each(context, lambda entry: context.broker.delete(context.queue, entry["ReceiptHandle"]))


def change_message_visibility(context: Context) -> Answer:
    _change_visibility(context, context.request)
    return {}


def change_message_visibility_batch(context: Context) -> Answer:
    check_batch(context.request["Entries"], "ChangeMessageVisibilityBatchRequestEntry")
    return _each(context, lambda entry: _change_visibility(context, entry))


def _send(context: Context, message: Mapping[str, Any]) -> Answer:
    settings = context.broker.registry.queue(context.queue).settings
    content = accepted_content(message, settings.largest_message)
    delay = delay_of(message, settings.delay)
    answer = {
        "MessageId": context.broker.send(context.queue, content, delay).id,
        "MD5OfMessageBody": content.body_md5,
    }
    if content.attributes_md5:
        answer["MD5OfMessageAttributes"] = content.attributes_md5
    return answer


def _change_visibility(context: Context, entry: Mapping[str, Any]) -> None:
    if "VisibilityTimeout" not in entry:  # of a batch entry boto3 does not ask for it
        raise missing_parameter("VisibilityTimeout")
    context.broker.change_visibility(context.queue, entry["ReceiptHandle"], entry["VisibilityTimeout"])


def _each(context: Context, act: Callable[[Mapping[str, Any]], Answer | None]) -> Answer:
    """Does one thing for each entry; an entry that fails hinders no other."""
    context.broker.registry.queue(context.queue)
    successful: list[Answer] = []
    failed: list[Answer] = []
    for entry in context.request["Entries"]:
        planned = context.fault_of_entry(entry)
        try:
            result = act(entry) if planned is None or planned.happened else None
        except SqsError as error:
            failed.append(_failure(entry, EntryFails(error.code, error.sender_fault), error.message))
            continue
        if planned:
            failed.append(_failure(entry, planned, "as the plan of faults has it"))
        else:
            successful.append({"Id": entry["Id"], **(result or {})})
    return {"Successful": successful} | ({"Failed": failed} if failed else {})


def _failure(entry: Mapping[str, Any], failure: EntryFails, message: str) -> Answer:
    return {"Id": entry["Id"], "SenderFault": failure.sender_fault, "Code": failure.code, "Message": message}


def _message(delivery: Delivery, system_names: list[str], attribute_names: list[str]) -> Answer:
    content = delivery.message.content
    message: Answer = {
        "MessageId": delivery.message.id,
        "ReceiptHandle": delivery.receipt,
        "MD5OfBody": content.body_md5,
        "Body": content.body,
    }
    if system_names and (system := _system_attributes(delivery, system_names)):
        message["Attributes"] = system
    if attributes := message_attributes.chosen(content.attributes, attribute_names):
        whole = len(attributes) == len(content.attributes)
        message["MD5OfMessageAttributes"] = content.attributes_md5 if whole else message_attributes.md5(attributes)
        message["MessageAttributes"] = attributes
    return message


def _system_attributes(delivery: Delivery, names: list[str]) -> dict[str, str]:
    message = delivery.message
    system = {
        "SenderId": _SENDER_ID,
        "SentTimestamp": str(message.sent_ms),
        "ApproximateReceiveCount": str(delivery.receives),
        "ApproximateFirstReceiveTimestamp": str(delivery.first_received_ms),
        **message.content.system_attributes,
    }
    if message.source_arn:
        system["DeadLetterQueueSourceArn"] = message.source_arn
    return system if "All" in names else {name: value for name, value in system.items() if name in names}


def _in_range(request: Mapping[str, Any], name: str, lowest: int, highest: int, reason: str) -> int | None:
    value: int | None = request.get(name)
    if value is not None and not lowest <= value <= highest:
        raise invalid_value(name, value, reason)
    return value
