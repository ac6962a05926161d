"""One call, with whatever fault was planned for it: the way that both fronts take to the broker."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tests.support.strict_sqs import message_operations, queue_operations
from tests.support.strict_sqs.broker import PLAIN, Broker, ReceiveShape
from tests.support.strict_sqs.call import Call, CallLog
from tests.support.strict_sqs.context import Context
from tests.support.strict_sqs.errors import AnswerReset, AnswerTooLate, NotReached, SqsError
from tests.support.strict_sqs.fault_plan import FaultPlan
from tests.support.strict_sqs.faults import LosesAnswer, NeverArrives, Receives, Refuses, Waits
from tests.support.strict_sqs.registry import ACCOUNT

_OPERATIONS: Mapping[str, Callable[[Context], dict[str, Any]]] = {
    "SendMessage": message_operations.send_message,
    "SendMessageBatch": message_operations.send_message_batch,
    "ReceiveMessage": message_operations.receive_message,
    "DeleteMessage": message_operations.delete_message,
    "DeleteMessageBatch": message_operations.delete_message_batch,
    "ChangeMessageVisibility": message_operations.change_message_visibility,
    "ChangeMessageVisibilityBatch": message_operations.change_message_visibility_batch,
    "CreateQueue": queue_operations.create_queue,
    "DeleteQueue": queue_operations.delete_queue,
    "GetQueueUrl": queue_operations.get_queue_url,
    "ListQueues": queue_operations.list_queues,
    "ListDeadLetterSourceQueues": queue_operations.list_dead_letter_source_queues,
    "GetQueueAttributes": queue_operations.get_queue_attributes,
    "SetQueueAttributes": queue_operations.set_queue_attributes,
    "PurgeQueue": queue_operations.purge_queue,
    "StartMessageMoveTask": queue_operations.start_message_move_task,
    "ListMessageMoveTasks": queue_operations.list_message_move_tasks,
    "CancelMessageMoveTask": queue_operations.cancel_message_move_task,
}


class Service:
    """Safe for several threads."""

    def __init__(self, broker: Broker, faults: FaultPlan, calls: CallLog) -> None:
        self._broker = broker
        self._faults = faults
        self._calls = calls

    def call(self, operation: str, request: Mapping[str, Any], base_url: str) -> dict[str, Any]:
        """The answer. Raises SqsError for an error answer and NoAnswer where there is none."""
        act = _OPERATIONS.get(operation)
        if act is None:
            raise SqsError("UnknownOperationException", f"The stand-in has no operation {operation}.", 404)
        queue = _queue_name(request["QueueUrl"]) if "QueueUrl" in request else ""
        call = Call(operation, queue, request)
        self._calls.add(call)
        shape = PLAIN
        fault = self._faults.of_call(call)
        match fault:
            case NeverArrives():
                raise NotReached
            case Refuses(shape=error_shape, message=message, status=status):
                raise SqsError(error_shape, message, status)
            case Receives() if operation == "ReceiveMessage":
                shuffle = self._faults.shuffle if fault.reordered else None
                shape = ReceiveShape(fault.nothing, shuffle, fault.duplicates)
            case Waits(until=event):
                event.wait()
        if "QueueUrl" in request and not queue:
            raise SqsError("InvalidAddress", f"The address {request['QueueUrl']} is not valid for this endpoint.", 404)
        answer = act(Context(self._broker, request, queue, base_url, shape, partial(self._faults.of_entry, call)))
        if isinstance(fault, LosesAnswer):
            raise AnswerTooLate if fault.by_silence else AnswerReset
        return answer


def _queue_name(url: str) -> str:
    """The name in a queue's URL, whatever its host; empty for what is no such URL."""
    host, _, path = url.partition("://")[2].partition("/")
    account, _, name = path.partition("/")
    return name if host and account == ACCOUNT else ""
