"""Calls to SQS with a few tries each, and their failures in one line."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from pipeline.aws_errors import explained, may_pass
from pipeline.backoff import Backoff
from pipeline.errors import Unavailable, UserMistake
from pipeline.sqs_rules import is_refusing_code

#: Tries of one call, the first included: a few seconds of trouble pass unnoticed, more is told.
TRIES = 4
_NOT_IMPLEMENTED = 501


class EntryError(NamedTuple):
    """Why one entry of a batch failed. ``final``: it would fail the same way however often it is tried."""

    reason: str
    final: bool


class Tries:
    """``pause`` waits between two tries; where it returns False (Ctrl-C), there is no other.

    A try whose answer was lost may have had its effect: whoever sends through here sends at least once.
    """

    def __init__(self, new_backoff: Callable[[], Backoff], pause: Callable[[float], bool]) -> None:
        self._new_backoff = new_backoff
        self._pause = pause

    def call(self, operation: Callable[..., Any], **request: Any) -> Any:
        """What the operation answers. Raises botocore's error of the last try; ``in_one_line`` tells of it."""
        backoff = self._new_backoff()
        tried = 0
        while True:
            try:
                return operation(**request)
            except (BotoCoreError, ClientError) as error:
                tried += 1
                if tried == TRIES or not _passes(error) or not self._pause(backoff.next()):
                    raise

    def batch(
        self, operation: Callable[..., Any], url: str, entries: Sequence[Mapping[str, Any]]
    ) -> dict[int, EntryError]:
        """Asks for 1 to 10 entries, and again for those of them that failed for what may pass.

        Returns those that failed to the last, by their index. Raises botocore's error where the first call fails as a
        whole; where a later one does, its entries count as failed.
        """
        backoff = self._new_backoff()
        failed: dict[int, EntryError] = {}
        left = dict(enumerate(entries))
        for tried in range(1, TRIES + 1):
            request = [{**entry, "Id": str(index)} for index, entry in left.items()]
            try:
                response = self.call(operation, QueueUrl=url, Entries=request)
            except (BotoCoreError, ClientError):
                if tried == 1:
                    raise
                return failed
            answer = _failures(left, response)
            failed = {index: error for index, error in failed.items() if index not in left} | answer
            left = {index: left[index] for index, error in answer.items() if not error.final}
            if not left or tried == TRIES or not self._pause(backoff.next()):
                break
        return failed


def in_one_line(doing: str) -> AbstractContextManager[None]:
    """Raises UserMistake or Unavailable, in one line, for what botocore raises within the context.

    What AWS refuses is the user's to mend: names, rights, credentials. Anything else may pass.
    """
    return explained(
        f"{doing}: expected an answer of SQS", lambda error: Unavailable if may_pass(error) else UserMistake
    )


def _passes(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return may_pass(error) and status != _NOT_IMPLEMENTED
    return isinstance(error, NoConnection | HTTPClientError)


def _failures(asked: Mapping[int, Any], response: Mapping[str, Any]) -> dict[int, EntryError]:
    failures = {int(entry["Id"]): _error_of(entry) for entry in response.get("Failed", ())}
    succeeded = {int(entry["Id"]) for entry in response.get("Successful", ())}
    unanswered = asked.keys() - failures.keys() - succeeded
    return failures | {index: EntryError("no word about an entry", final=False) for index in unanswered}


def _error_of(entry: Mapping[str, Any]) -> EntryError:
    code = entry["Code"]
    # too many requests are the sender's fault too, and pass
    final = is_refusing_code(code) or (bool(entry.get("SenderFault")) and "Throttl" not in code)
    return EntryError(": ".join(filter(None, (code, entry.get("Message")))), final)
