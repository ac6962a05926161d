"""Requests and answers on the wire: AWS JSON 1.0 (botocore's service model of SQS, protocol json)."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.strict_sqs.botocore_model import Parameters, sqs_model
from tests.support.strict_sqs.errors import SqsError, missing_parameter

CONTENT_TYPE = "application/x-amz-json-1.0"
_TARGET = "AmazonSQS."
_NAMESPACE = "com.amazonaws.sqs#"


def read_operation(target: str) -> str:
    """The operation of the header X-Amz-Target. Raises SqsError for one that SQS does not have."""
    operation = target.removeprefix(_TARGET)
    if not target.startswith(_TARGET) or operation not in sqs_model().operation_names:
        raise SqsError("UnknownOperationException", f"The target {target!r} names no operation of SQS.", 404)
    return operation


def read_request(operation: str, body: bytes, parameters: Parameters) -> dict[str, Any]:
    """The request as boto3 was given it, with bytes for binary values. Raises SqsError for what is none."""
    try:
        request = json.loads(body)
        for message in _messages(request):
            _convert_binary(message, lambda text: base64.b64decode(text, validate=True))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise SqsError("SerializationException", f"The request cannot be read: {error}") from error
    shape = sqs_model().operation_model(operation).input_shape
    for name in shape.required_members if shape else ():
        if request.get(name) is None:
            raise missing_parameter(name)
    if problems := parameters.problems(operation, request):
        raise SqsError("SerializationException", problems)
    return request  # type: ignore[no-any-return]


def write_answer(answer: Mapping[str, Any]) -> bytes:
    for message in answer.get("Messages", ()):
        _convert_binary(message, lambda data: base64.b64encode(data).decode())
    return json.dumps(answer).encode()


def write_error(error: SqsError) -> tuple[dict[str, str], bytes]:
    """Headers and body of an error answer."""
    headers = {"x-amzn-query-error": f"{error.code};{error.fault}"}
    return headers, json.dumps({"__type": _NAMESPACE + error.shape, "message": error.message}).encode()


def _messages(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [request, *request.get("Entries", ())]


def _convert_binary(message: dict[str, Any], convert: Callable[[Any], Any]) -> None:
    for attribute in message.get("MessageAttributes", {}).values():
        if "BinaryValue" in attribute:
            attribute["BinaryValue"] = convert(attribute["BinaryValue"])
