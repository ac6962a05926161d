"""The front for tests of one process: boto3's client of SQS without HTTP, many thousand calls a second."""

from typing import Any

from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from tests.support.strict_sqs.botocore_model import Parameters, client_error, sqs_exceptions
from tests.support.strict_sqs.errors import AnswerReset, AnswerTooLate, NotReached, SqsError
from tests.support.strict_sqs.service import Service


class InProcessClient:
    """Takes and gives what boto3's client does, and raises the same exceptions. Safe for several threads.

    A call without an answer raises at once: EndpointConnectionError where it did not arrive, ConnectionClosedError or
    ReadTimeoutError where its answer was lost. It is never tried again, as with botocore's retries off.
    """

    def __init__(self, service: Service, endpoint_url: str) -> None:
        self._service = service
        self._endpoint_url = endpoint_url
        self._parameters = Parameters()

    @property
    def exceptions(self) -> Any:
        """As boto3's: ``client.exceptions.QueueDoesNotExist`` and others."""
        return sqs_exceptions()

    def close(self) -> None:
        """There is nothing to close."""

    def send_message(self, **request: Any) -> dict[str, Any]:
        return self._call("SendMessage", request)

    def send_message_batch(self, **request: Any) -> dict[str, Any]:
        return self._call("SendMessageBatch", request)

    def receive_message(self, **request: Any) -> dict[str, Any]:
        return self._call("ReceiveMessage", request)

    def delete_message(self, **request: Any) -> dict[str, Any]:
        return self._call("DeleteMessage", request)

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        return self._call("DeleteMessageBatch", request)

    def change_message_visibility(self, **request: Any) -> dict[str, Any]:
        return self._call("ChangeMessageVisibility", request)

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        return self._call("ChangeMessageVisibilityBatch", request)

    def create_queue(self, **request: Any) -> dict[str, Any]:
        return self._call("CreateQueue", request)

    def delete_queue(self, **request: Any) -> dict[str, Any]:
        return self._call("DeleteQueue", request)

    def get_queue_url(self, **request: Any) -> dict[str, Any]:
        return self._call("GetQueueUrl", request)

    def list_queues(self, **request: Any) -> dict[str, Any]:
        return self._call("ListQueues", request)

    def list_dead_letter_source_queues(self, **request: Any) -> dict[str, Any]:
        return self._call("ListDeadLetterSourceQueues", request)

    def get_queue_attributes(self, **request: Any) -> dict[str, Any]:
        return self._call("GetQueueAttributes", request)

    def set_queue_attributes(self, **request: Any) -> dict[str, Any]:
        return self._call("SetQueueAttributes", request)

    def purge_queue(self, **request: Any) -> dict[str, Any]:
        return self._call("PurgeQueue", request)

    def start_message_move_task(self, **request: Any) -> dict[str, Any]:
        return self._call("StartMessageMoveTask", request)

    def list_message_move_tasks(self, **request: Any) -> dict[str, Any]:
        return self._call("ListMessageMoveTasks", request)

    def cancel_message_move_task(self, **request: Any) -> dict[str, Any]:
        return self._call("CancelMessageMoveTask", request)

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if problems := self._parameters.problems(operation, request):
            raise ParamValidationError(report=problems)
        try:
            answer = self._service.call(operation, request, self._endpoint_url)
        except SqsError as error:
            raise client_error(error, operation) from None
        except NotReached:
            raise EndpointConnectionError(endpoint_url=self._endpoint_url) from None
        except AnswerReset:
            raise ConnectionClosedError(endpoint_url=self._endpoint_url) from None
        except AnswerTooLate:
            raise ReadTimeoutError(endpoint_url=self._endpoint_url) from None
        answer["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
        return answer
