"""AWS's wire protocols: which call a request makes, and how its answer is written.

Written after "AWS JSON 1.1 protocol", "AWS query protocol" and "Amazon EC2 query protocol" (Smithy specifications).
"""

import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree

Protocol = Literal["json", "query", "rest"]
Document = Mapping[str, Any]

_JSON = "application/x-amz-json-1.1"
_XML = "text/xml"


class AwsError(Exception):
    """What a service answers instead of a result: an HTTP status, a code that programs read, and a message."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotAnswered(AwsError):
    """The stand-in has no answer to a call. Clients do not repeat a call that got this status."""

    status = 501

    def __init__(self, what: str) -> None:
        super().__init__("OfflineNotImplemented", what)


@dataclass(frozen=True)
class Call:
    """One request to AWS. Those whose protocol has no name for its actions are named by method and path."""

    service: str
    action: str
    protocol: Protocol
    request: Document

    def __str__(self) -> str:
        return f"{self.service} {self.action}"


@dataclass(frozen=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    content_type: str
    body: bytes


def read_call(method: str, host: str, path: str, target: str | None, body: bytes) -> Call:
    """The call that a request makes; ``target`` is its X-Amz-Target header."""
    service = host.partition(".")[0]
    try:
        if target:
            return Call(service, target.rpartition(".")[2], "json", json.loads(body))
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))
    except ValueError:
        form = {}  # a body of some other protocol, such as a file
    if action := form.get("Action"):
        return Call(service, action, "query", form)
    return Call(host, f"{method} {path}", "rest", {})


def write_result(call: Call, result: Document) -> Answer:
    """A result in the protocol of its call. Lists become ``member`` elements where the protocol is XML."""
    if call.protocol == "json":
        return Answer(200, _JSON, json.dumps(result).encode())
    response = ElementTree.Element(f"{call.action}Response")
    _append(response, f"{call.action}Result", result)
    return Answer(200, _XML, ElementTree.tostring(response))


def write_error(call: Call, error: AwsError) -> Answer:
    """An error in the form that the client of its call can read."""
    if call.protocol == "json":
        body = json.dumps({"__type": error.code, "message": str(error)}).encode()
        return Answer(error.status, _JSON, body)
    what = {"Code": error.code, "Message": str(error)}
    content: Document
    if call.protocol == "rest":
        root, content = "Error", what
    elif call.service == "ec2":
        root, content = "Response", {"Errors": {"Error": what}}
    else:
        root, content = "ErrorResponse", {"Error": what}
    response = ElementTree.Element(root)
    for name, value in content.items():
        _append(response, name, value)
    return Answer(error.status, _XML, ElementTree.tostring(response))


def _append(parent: ElementTree.Element, name: str, value: Any) -> None:
    element = ElementTree.SubElement(parent, name)
    if isinstance(value, Mapping):
        for key, each in value.items():
            _append(element, key, each)
    elif isinstance(value, list):
        for each in value:
            _append(element, "member", each)
    else:
        element.text = value
