"""What the endpoint's errors mean: whose fault they are, and what helps.

Source: SageMaker Runtime API Reference, "InvokeEndpoint", section "Errors".
"""

from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from pipeline.text import short_line

#: HTTP statuses of the model's container that blame the content of the request.
_CONTENT_STATUSES = frozenset({400, 413, 415, 422})
#: HTTP statuses, of SageMaker or the container, that say that it is too much at this moment.
_BUSY_STATUSES = frozenset({429, 503})
#: HTTP statuses from here on are the server's fault.
_SERVER_ERRORS = 500
#: 429 too, but no call is answered until it has loaded its model.
_NOT_READY = "ModelNotReadyException"
#: Characters of what an endpoint says of an error.
_LENGTH = 300
#: What the SDK raises where the connection ends before the answer does.
_NO_ANSWER = (ConnectionClosedError, ResponseStreamingError, IncompleteReadError)


class EndpointUnavailable(Exception):
    """The endpoint cannot answer now, whatever the content; the same call may succeed later."""


class EndpointBusy(EndpointUnavailable):
    """The endpoint has more to do than it can: fewer calls at a time would succeed."""


class EndpointFailed(EndpointUnavailable):
    """The endpoint took the call and failed: for a moment, or for what is in it. Another content tells which."""


class EndpointTooSlow(EndpointFailed):
    """No answer came in time: a smaller call might be answered."""


class ContentRefused(Exception):
    """The endpoint answered that it cannot judge this content; the same call will never succeed."""


def of_client_error(error: ClientError) -> EndpointUnavailable | ContentRefused:
    """What an error answer of SageMaker, or of a container in its place, means."""
    details: Any = error.response
    code = str(details.get("Error", {}).get("Code", ""))
    is_of_sagemaker = code != "ModelError"
    status = details.get("ResponseMetadata" if is_of_sagemaker else "OriginalStatusCode", 0)
    if isinstance(status, dict):
        status = status.get("HTTPStatusCode", 0)
    message = short_line(str(details.get("Error", {}).get("Message", "")), _LENGTH) or f"HTTP status {status}"
    # SageMaker answers ValidationError for an endpoint that does not exist (yet) too
    missing_endpoint = code == "ValidationError" and "not found" in message
    is_throttled = "Throttling" in code
    if status in _CONTENT_STATUSES and not missing_endpoint and not is_throttled:
        return ContentRefused(message)
    if code == _NOT_READY:
        return EndpointUnavailable(f"{code}: {message}")
    if is_throttled or status in _BUSY_STATUSES:
        return EndpointBusy(f"{code}: {message}")
    # a container that is asked directly names no error of SageMaker's, and the SDK puts the status in its place
    if not is_of_sagemaker or (code == str(status) and status >= _SERVER_ERRORS):
        return EndpointFailed(f"the model answered {status}: {message}")
    return EndpointUnavailable(f"{code}: {message}")


def of_transport(error: Exception) -> EndpointUnavailable:
    """What an error on the way means."""
    reason = short_line(str(error), _LENGTH)
    if isinstance(error, ReadTimeoutError):
        return EndpointTooSlow(reason)
    if isinstance(error, _NO_ANSWER):
        return EndpointFailed(reason)
    return EndpointUnavailable(reason)
