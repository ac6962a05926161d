"""Answers that AWS gives when it refuses or fails, each in the shape of its API's protocol."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.support.aws_calls import AwsCall
from tests.support.iam_policies import Right

_REQUEST_ID = "6a0d2c9e-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class AwsAnswer:
    """Status, headers (without the body's length), and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def error(api: str, status: int, code: str, message: str) -> AwsAnswer:
    """An error of one API. Raises KeyError for an API whose protocol this does not know."""
    shape = {"sqs": _json, "sagemaker": _rest_json, "sns": _query, "s3": _rest_xml}[api]
    return shape(status, code, message)


def denied(call: AwsCall, right: Right) -> AwsAnswer:
    """What a call gets whose caller lacks a right.

    Codes: "Common Error Types" of SQS and SageMaker, "Publish" of the SNS API Reference, "Error responses" of S3's.
    """
    code = {"sns": "AuthorizationError", "sagemaker": "AccessDeniedException"}.get(call.api, "AccessDenied")
    user = f"arn:aws:sts::000000000000:assumed-role/{right.service}/task"
    message = (
        f"User: {user} is not authorized to perform: {right.action} on resource: {right.resource} "
        f"because no identity-based policy allows the {right.action} action"
    )
    return error(call.api, 403, code, message)


def unavailable(call: AwsCall) -> AwsAnswer:
    """What a call gets while its service has trouble."""
    code = "ServiceUnavailable"
    return error(call.api, 503, code, "The service is unavailable. Try your call again.")


def model_error(status: int, message: str) -> AwsAnswer:
    """What InvokeEndpoint answers when the model's container did (SageMaker Runtime API Reference: ModelError)."""
    body = {
        "Message": f'Received client error ({status}) from primary with message "{message}".',
        "OriginalStatusCode": status,
        "OriginalMessage": message,
        "LogStreamArn": "",
    }
    return AwsAnswer(
        424, {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}, json.dumps(body).encode()
    )


def _json(status: int, code: str, message: str) -> AwsAnswer:
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()
    # AWS JSON 1.0 with the codes of the query protocol before it: SDKs read them from this header
    fault = "Receiver" if status >= 500 else "Sender"
    headers = {"Content-Type": "application/x-amz-json-1.0", "x-amzn-query-error": f"{code};{fault}"}
    return AwsAnswer(status, headers, body)


def _rest_json(status: int, code: str, message: str) -> AwsAnswer:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return AwsAnswer(status, headers, json.dumps({"Message": message}).encode())


def _query(status: int, code: str, message: str) -> AwsAnswer:
    fault = "Receiver" if status >= 500 else "Sender"
    body = (
        '<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
        f"<Error><Type>{fault}</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        f"<RequestId>{_REQUEST_ID}</RequestId></ErrorResponse>"
    )
    return AwsAnswer(status, {"Content-Type": "text/xml"}, body.encode())


def _rest_xml(status: int, code: str, message: str) -> AwsAnswer:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><RequestId>{_REQUEST_ID}</RequestId></Error>"
    )
    return AwsAnswer(status, {"Content-Type": "application/xml"}, body.encode())
