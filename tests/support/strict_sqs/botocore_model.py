"""What boto3's own client knows of SQS: which parameters a request takes, and which exception an error becomes."""

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any

from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.session import Session
from botocore.validate import ParamValidator

from tests.support.strict_sqs.errors import SqsError

#: Shapes of requests that are remembered as valid, before all are forgotten.
_REMEMBERED = 10_000
#: What botocore would try again, and so tells that it made all the attempts it may.
_RETRIED_STATUSES = {500, 502, 503, 504}
_RETRIED_SHAPES = {"RequestThrottled", "ThrottlingException"}


@cache  # read from botocore's files, and never changed
def sqs_model() -> ServiceModel:
    return Session().get_service_model("sqs")


@cache
def sqs_exceptions() -> Any:
    """What a client has as ``exceptions``."""
    return ClientExceptionsFactory().create_client_exceptions(sqs_model())


def client_error(error: SqsError, operation: str) -> ClientError:
    """The exception that boto3 raises for an error answer, where it makes one attempt."""
    metadata: dict[str, Any] = {"HTTPStatusCode": error.status, "HTTPHeaders": {}, "RetryAttempts": 0}
    if error.status in _RETRIED_STATUSES or error.shape in _RETRIED_SHAPES:
        metadata["MaxAttemptsReached"] = True
    response: Any = {
        "Error": {
            "Message": error.message,
            "Code": error.code,
            "QueryErrorCode": error.shape,
            "Type": error.fault,
        },
        "ResponseMetadata": metadata,
    }
    raised: ClientError = sqs_exceptions().from_code(error.shape)(response, operation)
    return raised


class Parameters:
    """Checks requests as boto3 does before it sends them: names, types, and what is required."""

    def __init__(self) -> None:
        self._validator = ParamValidator()
        self._valid: set[Hashable] = set()

    def problems(self, operation: str, request: Mapping[str, Any]) -> str:
        """What boto3 says of a request that it does not send; empty for one that it does."""
        # names and types decide, so that most requests are like one before; to check all would cost most of a call
        form = (operation, _form(request))
        if form in self._valid:
            return ""
        shape = sqs_model().operation_model(operation).input_shape
        if shape and (report := self._validator.validate(request, shape).generate_report()):
            return str(report)
        if len(self._valid) >= _REMEMBERED:
            self._valid.clear()
        self._valid.add(form)
        return ""


def _form(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _form(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return type(value), frozenset(map(_form, value))
    return type(value)
