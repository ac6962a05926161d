"""What boto3 raises, told in one line: as a user's mistake, or as something that may pass."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from pipeline.errors import Unavailable, UserMistake
from pipeline.text import cut

_REASON_LENGTH = 300


@contextmanager
def explained(expected: str, kind_of: Callable[[ClientError], type[Exception]]) -> Iterator[None]:
    """Raises "<expected>, got: <reason>" for what boto3 raises within the context.

    ``kind_of`` says what an error answer of the service is. Without an answer it is Unavailable, and a UserMistake
    where boto3 has refused to ask: no credentials, or a name that cannot be.
    """
    try:
        yield
    except ClientError as error:
        told = (error_code(error), error.response.get("Error", {}).get("Message"))
        raise kind_of(error)(f"{expected}, got: {_one_line(': '.join(filter(None, told)))}") from error
    except (NoCredentialsError, PartialCredentialsError, ParamValidationError) as error:
        raise UserMistake(f"{expected}, got: {_one_line(str(error))}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{expected}, got: {_one_line(str(error))}") from error


def error_code(error: ClientError) -> str:
    """The code of an error answer, such as AccessDenied."""
    return str(error.response.get("Error", {}).get("Code", ""))


def may_pass(error: ClientError) -> bool:
    """Whether the same call may succeed later: the server's own trouble, or too many calls."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # many services answer throttling with the status 400
    return status >= 500 or status == 429 or "Throttl" in error_code(error)


def _one_line(text: str) -> str:
    return cut(" ".join(text.split()), _REASON_LENGTH)
