"""Faults on demand: what may go wrong with a call or with an entry of a batch."""

import threading
from dataclasses import dataclass

#: Any operation.
ANY = "*"


@dataclass(frozen=True)
class NeverArrives:
    """The connection is refused; nothing happens."""


@dataclass(frozen=True)
class Refuses:
    """SQS answers by an error; nothing happens. ``shape`` is the error's name in the JSON protocol."""

    shape: str
    message: str = "as the plan of faults has it"
    status: int = 400


@dataclass(frozen=True)
class LosesAnswer:
    """It happens, and the answer is lost: by a reset of the connection, or by silence until the client gives up."""

    by_silence: bool = False


@dataclass(frozen=True)
class Receives:
    """A receive goes as ReceiveShape describes; ``reordered`` by the plan's random numbers. For ReceiveMessage only."""

    nothing: bool = False
    reordered: bool = False
    duplicates: int = 0


@dataclass(frozen=True)
class Waits:
    """The call waits until the event is set, and then goes on unharmed."""

    until: threading.Event


Fault = NeverArrives | Refuses | LosesAnswer | Receives | Waits


@dataclass(frozen=True)
class EntryFails:
    """An entry of a batch is reported as failed; with ``happened`` it had its effect all the same."""

    code: str = "InternalError"
    sender_fault: bool = False
    happened: bool = False


SERVICE_UNAVAILABLE = Refuses("ServiceUnavailable", "Service is unavailable.", 503)
INTERNAL_ERROR = Refuses("InternalError", "We encountered an internal error. Please try again.", 500)
REQUEST_THROTTLED = Refuses("RequestThrottled", "The request was denied due to request throttling.", 403)
THROTTLING = Refuses("ThrottlingException", "Rate exceeded")
ACCESS_DENIED = Refuses("AccessDeniedException", "Access to the resource https://sqs.amazonaws.com/ is denied.", 403)
EXPIRED_TOKEN = Refuses("ExpiredTokenException", "The security token included in the request is expired", 403)
