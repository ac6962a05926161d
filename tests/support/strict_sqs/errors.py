"""The errors that SQS answers by, and what stands in for an answer that never comes.

Codes come in two spellings (botocore's service model of SQS, trait awsQueryCompatible): the JSON protocol names the
error's shape, the header ``x-amzn-query-error`` gives the older code, and boto3 shows that as the error's ``Code`` and
the shape as ``QueryErrorCode``. Texts are those that SQS was seen to answer by, where that is on record.
"""

_NAMESPACE = "AWS.SimpleQueueService."
#: The older code of each shape whose name differs from it.
_QUERY_CODES = {
    "QueueDoesNotExist": _NAMESPACE + "NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "InvalidParameterValueException": "InvalidParameterValue",
    "MissingRequiredParameterException": "MissingParameter",
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
} | {
    shape: _NAMESPACE + shape
    for shape in (
        "BatchEntryIdsNotDistinct",
        "BatchRequestTooLong",
        "EmptyBatchRequest",
        "InvalidBatchEntryId",
        "MessageNotInflight",
        "PurgeQueueInProgress",
        "QueueDeletedRecently",
        "TooManyEntriesInBatchRequest",
        "UnsupportedOperation",
    )
}


class SqsError(Exception):
    """An error answer: the shape's name, its text, and the HTTP status."""

    def __init__(self, shape: str, message: str, status: int = 400) -> None:
        super().__init__(f"{shape}: {message}")
        self.shape = shape
        self.message = message
        self.status = status

    @property
    def code(self) -> str:
        """The code that boto3 shows, in errors and in the entries of a batch."""
        return _QUERY_CODES.get(self.shape, self.shape)

    @property
    def sender_fault(self) -> bool:
        return self.status < 500

    @property
    def fault(self) -> str:
        """Whose fault it is, in SQS's words."""
        return "Sender" if self.sender_fault else "Receiver"


class NoAnswer(Exception):
    """The client gets no answer at all."""


class NotReached(NoAnswer):
    """The request did not arrive: nothing happened."""


class AnswerReset(NoAnswer):
    """The connection broke after the request had its effect."""


class AnswerTooLate(NoAnswer):
    """The request had its effect, and the client's read times out."""


def invalid_parameter(message: str) -> SqsError:
    return SqsError("InvalidParameterValueException", message)


def invalid_value(parameter: str, value: object, reason: str) -> SqsError:
    return invalid_parameter(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def missing_parameter(parameter: str) -> SqsError:
    return SqsError("MissingRequiredParameterException", f"The request must contain the parameter {parameter}.")


def queue_does_not_exist() -> SqsError:
    return SqsError("QueueDoesNotExist", "The specified queue does not exist.")


def resource_not_found(message: str) -> SqsError:
    return SqsError("ResourceNotFoundException", message, 404)
