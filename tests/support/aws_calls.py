"""What a request to AWS asks for in the terms of IAM: which action on which resource.

The API is read from the scope of the request's signature (IAM User Guide, "AWS Signature Version 4 for API requests"),
the operation and its resource from where each API's protocol has them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

#: IAM action by API and operation, for what the services do today; what else they come to call must be looked up in the
#: "Service Authorization Reference", the source of these, and added. A batch has no action of its own but needs that of
#: the single operation ("Amazon SQS Developer Guide", "Amazon SQS batch actions"); PublishBatch likewise.
ACTIONS: Mapping[tuple[str, str], str] = {
    ("sqs", "ChangeMessageVisibility"): "sqs:ChangeMessageVisibility",
    ("sqs", "ChangeMessageVisibilityBatch"): "sqs:ChangeMessageVisibility",
    ("sqs", "DeleteMessage"): "sqs:DeleteMessage",
    ("sqs", "DeleteMessageBatch"): "sqs:DeleteMessage",
    ("sqs", "GetQueueAttributes"): "sqs:GetQueueAttributes",
    ("sqs", "ReceiveMessage"): "sqs:ReceiveMessage",
    ("sqs", "SendMessage"): "sqs:SendMessage",
    ("sqs", "SendMessageBatch"): "sqs:SendMessage",
    ("sns", "Publish"): "sns:Publish",
    ("sns", "PublishBatch"): "sns:Publish",
    ("s3", "GetObject"): "s3:GetObject",
    ("s3", "PutObject"): "s3:PutObject",
    ("sagemaker", "InvokeEndpoint"): "sagemaker:InvokeEndpoint",
}

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?P<region>[a-z0-9-]+)/(?P<api>[a-z0-9-]+)/aws4_request")
_INVOCATION = re.compile(r"/endpoints/([^/]+)/invocations")


class UnknownOperation(Exception):
    """A request that ACTIONS and the readers of this module do not know. The message describes it."""


@dataclass(frozen=True, slots=True)
class AwsRequest:
    """A request as it came. ``target`` is path and query; ``headers`` are in the order and case they had."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AwsCall:
    """A request understood. ``api`` is the name that requests are signed for: sqs, sns, s3 or sagemaker."""

    api: str
    operation: str
    resource: str
    body: bytes

    @property
    def action(self) -> str:
        """The action that IAM asks about."""
        return ACTIONS[self.api, self.operation]


def understood(request: AwsRequest, account: str) -> AwsCall:
    """The call that a request makes. ``account`` is whose endpoints are called. Raises UnknownOperation."""
    scope = _SCOPE.search(_header(request, "Authorization"))
    if scope is None:
        raise UnknownOperation(f"{request.method} {request.target}: not signed for an API of AWS")
    api, region = scope["api"], scope["region"]
    readers = {"sqs": _sqs, "sns": _sns, "s3": _s3, "sagemaker": _sagemaker}
    if api not in readers:
        raise UnknownOperation(f"{request.method} {request.target} of {api}")
    operation, resource = readers[api](request, region, account)
    if (api, operation) not in ACTIONS:
        raise UnknownOperation(f"{operation} of {api}")
    return AwsCall(api, operation, resource, request.body)


def _sqs(request: AwsRequest, region: str, _account: str) -> tuple[str, str]:
    operation = _header(request, "X-Amz-Target").removeprefix("AmazonSQS.")
    # an operation without a queue, such as ListQueues, is not in ACTIONS: its resource does not matter
    url = json.loads(request.body).get("QueueUrl", "") if operation else ""
    *_, owner, name = ("", *urlsplit(url).path.split("/"))
    return operation, f"arn:aws:sqs:{region}:{owner}:{name}"


def _sns(request: AwsRequest, _region: str, _account: str) -> tuple[str, str]:
    form = parse_qs(request.body.decode())
    operation = form.get("Action", [""])[0]
    if "TopicArn" not in form:
        raise UnknownOperation(f"{operation} of sns without a topic")
    return operation, form["TopicArn"][0]


def _s3(request: AwsRequest, _region: str, _account: str) -> tuple[str, str]:
    parts = urlsplit(request.target)
    bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
    # a query asks for something else with a permission of its own: ?versionId for s3:GetObjectVersion, ?acl, ?tagging
    asked = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - {"x-id"}
    operation = {"GET": "GetObject", "PUT": "PutObject"}.get(request.method, "")
    # a PUT with this header copies, which needs rights on what is copied too
    copies = "x-amz-copy-source" in {name.lower() for name in request.headers}
    if not operation or not bucket or not key or asked or copies:
        raise UnknownOperation(f"{request.method} {request.target} of s3")
    return operation, f"arn:aws:s3:::{bucket}/{key}"


def _sagemaker(request: AwsRequest, region: str, account: str) -> tuple[str, str]:
    invocation = _INVOCATION.fullmatch(request.target)
    if request.method != "POST" or invocation is None:
        raise UnknownOperation(f"{request.method} {request.target} of sagemaker")
    return "InvokeEndpoint", f"arn:aws:sagemaker:{region}:{account}:endpoint/{unquote(invocation[1])}"


def _header(request: AwsRequest, name: str) -> str:
    return next((value for key, value in request.headers.items() if key.lower() == name.lower()), "")
