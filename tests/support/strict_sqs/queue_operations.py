"""Queues made, found, described, purged, deleted; move tasks (SQS API Reference, the actions of these names)."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.strict_sqs.context import Context
from tests.support.strict_sqs.errors import SqsError, invalid_value
from tests.support.strict_sqs.limits import BATCH_ENTRIES, SECOND_MS
from tests.support.strict_sqs.move_tasks import MoveTask, Status
from tests.support.strict_sqs.queue_attributes import KNOWN

Answer = dict[str, Any]
_PAGE = 1000


def create_queue(context: Context) -> Answer:
    if context.request.get("tags"):
        raise SqsError("UnsupportedOperation", "The stand-in's queues have no tags.")
    name = context.request["QueueName"]
    context.broker.registry.create(name, context.request.get("Attributes", {}))
    return {"QueueUrl": context.url(name)}


def delete_queue(context: Context) -> Answer:
    context.broker.registry.delete(context.queue)
    return {}


def get_queue_url(context: Context) -> Answer:
    return {"QueueUrl": context.url(context.broker.registry.queue(context.request["QueueName"]).name)}


def list_queues(context: Context) -> Answer:
    names = context.broker.registry.names(context.request.get("QueueNamePrefix", ""))
    return _page(context, names, "QueueUrls")


def list_dead_letter_source_queues(context: Context) -> Answer:
    queue = context.broker.registry.queue(context.queue)
    return {"queueUrls": []} | _page(context, context.broker.registry.sources_of(queue.arn), "queueUrls")


def get_queue_attributes(context: Context) -> Answer:
    names: Sequence[str] = context.request.get("AttributeNames", ())
    for name in names:
        if name not in KNOWN | {"All"}:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    queue = context.broker.registry.queue(context.queue)
    visible, in_flight, delayed = context.broker.counts(context.queue)
    attributes = {
        **queue.settings.attributes,
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "ApproximateNumberOfMessagesNotVisible": str(in_flight),
        "CreatedTimestamp": str(queue.created_ms // SECOND_MS),
        "LastModifiedTimestamp": str(queue.modified_ms // SECOND_MS),
        "QueueArn": queue.arn,
    }
    wanted = attributes if "All" in names else {name: attributes[name] for name in names if name in attributes}
    return {"Attributes": wanted} if wanted else {}


def set_queue_attributes(context: Context) -> Answer:
    context.broker.registry.set_attributes(context.queue, context.request["Attributes"])
    return {}


def purge_queue(context: Context) -> Answer:
    context.broker.purge(context.queue)
    return {}


def start_message_move_task(context: Context) -> Answer:
    request = context.request
    handle = context.broker.move_tasks.start(
        request["SourceArn"], request.get("DestinationArn"), request.get("MaxNumberOfMessagesPerSecond")
    )
    return {"TaskHandle": handle}


def list_message_move_tasks(context: Context) -> Answer:
    limit = context.request.get("MaxResults", 1)
    if not 1 <= limit <= BATCH_ENTRIES:
        raise invalid_value("MaxResults", limit, "Must be between 1 and 10, if provided.")
    return {"Results": [_task(task) for task in context.broker.move_tasks.list(context.request["SourceArn"], limit)]}


def cancel_message_move_task(context: Context) -> Answer:
    return {"ApproximateNumberOfMessagesMoved": context.broker.move_tasks.cancel(context.request["TaskHandle"])}


def _task(task: MoveTask) -> Answer:
    optional: Mapping[str, Any] = {
        "TaskHandle": task.handle if task.status is Status.RUNNING else None,
        "DestinationArn": task.destination_arn,
        "MaxNumberOfMessagesPerSecond": task.rate,
        "FailureReason": task.failure,
    }
    return {
        "Status": task.status.value,
        "SourceArn": task.source_arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_ms,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _page(context: Context, names: list[str], member: str) -> Answer:
    """A page of URLs; the token for the next is given only to those who asked for pages of a size."""
    size = context.request.get("MaxResults")
    if size is None:
        return {member: [context.url(name) for name in names[:_PAGE]]} if names else {}
    if not 1 <= size <= _PAGE:
        raise invalid_value("MaxResults", size, f"Must be between 1 and {_PAGE}.")
    token = context.request.get("NextToken", "0")
    if not (token.isascii() and token.isdigit()):
        raise invalid_value("NextToken", token, "Invalid token.")
    start = int(token)
    page: Answer = {member: [context.url(name) for name in names[start : start + size]]} if names else {}
    if start + size < len(names):
        page["NextToken"] = str(start + size)
    return page
