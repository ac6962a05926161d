"""What the endpoint's errors mean: whose fault they are, and what helps.

Source: SageMaker Runtime API Reference, "InvokeEndpoint", section "Errors".
"""

import re
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeoutError

from pipeline.text import short_line

#: HTTP statuses of the model's container that blame the content of the request.
_CONTENT_STATUSES = frozenset({400, 413, 415, 422})
#: HTTP statuses, of SageMaker or the container, that say that it is too much at this moment.
_BUSY_STATUSES = frozenset({429, 503})
#: HTTP statuses from here on are the server's fault.
_SERVER_ERRORS = 500
#: 429 too, but no call is answered until it has loaded its model.
_NOT_READY = "ModelNotReadyException"
#: What AWS' names of errors look like; a container that is asked without SageMaker may write anything in their place.
_NAME = re.compile(r"[A-Za-z]{1,48}(?:Error|Exception|Failure|Unavailable)")
#: Characters of what an endpoint says of an error.
_LENGTH = 300
#: What the SDK raises where the connection ends before the answer does, and the library under it within an answer.
_NO_ANSWER = (ConnectionClosedError, ResponseStreamingError, IncompleteReadError, HTTPError)


class EndpointError(Exception):
    """What a call may end by. Its text may quote a post, for the model's container may: ``for_log`` never does.

    ``cause`` is what may be told of it everywhere, such as a code and a status.
    """

    def __init__(self, reason: str, cause: str = "") -> None:
        super().__init__(reason)
        self.for_log = f"{type(self).__name__}: {cause}" if cause else type(self).__name__


class EndpointUnavailable(EndpointError):
    """The endpoint cannot answer now, whatever the content; the same call may succeed later."""


class EndpointBusy(EndpointUnavailable):
    """The endpoint has more to do than it can: fewer calls at a time would succeed."""


class EndpointFailed(EndpointUnavailable):
    """The endpoint took the call and failed: for a moment, or for what is in it. Another content tells which."""


class EndpointTooSlow(EndpointFailed):
    """No answer came in time: a smaller call might be answered."""


class ContentRefused(EndpointError):
    """The endpoint answered that it cannot judge this content; the same call will never succeed."""


def of_client_error(error: ClientError) -> EndpointUnavailable | ContentRefused:
    """What an error answer of SageMaker, or of a container in its place, means."""
    details: Any = error.response
    code = str(details.get("Error", {}).get("Code", ""))
    is_of_sagemaker = code != "ModelError"
    status = details.get("ResponseMetadata" if is_of_sagemaker else "OriginalStatusCode", 0)
    if isinstance(status, dict):
        status = status.get("HTTPStatusCode", 0)
    status = status if isinstance(status, int) else 0
    cause = _cause(code, status)
    message = short_line(str(details.get("Error", {}).get("Message", "")), _LENGTH) or f"HTTP status {status}"
    # SageMaker answers ValidationError for an endpoint that does not exist (yet) too
    missing_endpoint = code == "ValidationError" and "not found" in message
    is_throttled = "Throttling" in code
    if status in _CONTENT_STATUSES and not missing_endpoint and not is_throttled:
        return ContentRefused(message, cause)
    if code == _NOT_READY:
        return EndpointUnavailable(f"{code}: {message}", cause)
    if is_throttled or status in _BUSY_STATUSES:
        return EndpointBusy(f"{code}: {message}", cause)
    # a container that is asked directly names no error of SageMaker's, and the SDK puts the status in its place
    if not is_of_sagemaker or (code == str(status) and status >= _SERVER_ERRORS):
        return EndpointFailed(f"the model answered {status}: {message}", cause)
    return EndpointUnavailable(f"{code}: {message}", cause)


def of_transport(error: Exception) -> EndpointUnavailable:
    """What an error on the way means."""
    reason, cause = short_line(str(error), _LENGTH), type(error).__name__
    if isinstance(error, (ReadTimeoutError, BodyTimeoutError)):
        return EndpointTooSlow(reason, cause)
    if isinstance(error, _NO_ANSWER):
        return EndpointFailed(reason, cause)
    return EndpointUnavailable(reason, cause)


def _cause(code: str, status: int) -> str:
    """The error's name, where it is one and no other text, and its status, where it has one."""
    return ", ".join([code] * bool(_NAME.fullmatch(code)) + [f"status {status}"] * bool(status))
