"""SQS' own way of redriving: it moves a whole queue by itself, and goes on when this program has ended.

SQS API Reference: StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask. At most one task a queue is under
way; it moves up to 500 messages a second. What it moves keeps all its attributes, the old ``reason`` too, and is not
counted as redriven; messages that come meanwhile may be moved as well. Therefore it is not what a redrive does unless
it is asked for: it is meant for numbers at which batches through this machine would take hours.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pipeline.aws_errors import error_code
from pipeline.dead_letters.interruption import Interruption
from pipeline.dead_letters.progress import Progress
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.tries import Tries
from pipeline.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

#: Messages a second that a task may be asked for.
FASTEST = 500
#: Seconds between two looks at a task, and looks that may bring nothing: before it shows, and after it was cancelled.
_LOOK_SECONDS = 1.0
_VAIN_LOOKS = 30
#: What servers say to an action that they do not have: AWS's protocols, MiniStack, LocalStack.
_UNKNOWN_ACTION = frozenset({"InvalidAction", "UnknownOperationException", "UnsupportedOperation", "NotImplemented"})
_NOT_IMPLEMENTED = 501
_ALREADY_ENDED = ("ResourceNotFoundException", "ResourceNotFound", "InvalidParameterValue")


class NotSupported(Exception):
    """The server has no move tasks. The message is its error code."""


class MoveTask:
    """The task of one dead-letter queue, for one thread. Its methods raise botocore's errors.

    ``latest`` is what SQS has told of it last. ``sleep`` waits where ``interruption`` no longer does.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        tries: Tries,
        source: Queue,
        destination: Queue,
        interruption: Interruption,
        sleep: Callable[[float], object],
    ) -> None:
        self._sqs = sqs
        self._tries = tries
        self._source = source
        self._destination = destination
        self._interruption = interruption
        self._sleep = sleep
        self._handle = ""
        self._started: int | None = None
        self._earlier: int | None = None  # when the last task before this one was started
        self.latest: dict[str, Any] = {}

    @property
    def moved(self) -> int:
        """Messages that it has moved, approximately."""
        return int(self.latest.get("ApproximateNumberOfMessagesMoved") or 0)

    @property
    def to_move(self) -> int:
        """Messages that it is to move in all, approximately."""
        return int(self.latest.get("ApproximateNumberOfMessagesToMove") or self._source.count)

    @property
    def failure(self) -> str:
        """Why it has failed, in SQS' words."""
        return str(self.latest.get("FailureReason") or "no reason given")

    def start(self, rate: int | None) -> bool:
        """Starts it, at ``rate`` messages a second at most. False: one was under way, and is followed instead.

        Raises NotSupported.
        """
        try:
            newest = self._newest()
        except ClientError as error:
            if _is_unknown_action(error):
                raise NotSupported(error_code(error)) from error
            raise
        if newest.get("Status") == "RUNNING":
            self._handle, self._started, self.latest = newest["TaskHandle"], newest["StartedTimestamp"], newest
            return False
        self._earlier = newest.get("StartedTimestamp")
        request: dict[str, Any] = {"SourceArn": self._source.arn, "DestinationArn": self._destination.arn}
        if rate is not None:
            request["MaxNumberOfMessagesPerSecond"] = rate
        # with its destination: what a service has sent to the dead letters has no source that SQS would know of.
        # It is not tried again: where the answer was lost, the next run finds the task under way
        self._handle = self._sqs.start_message_move_task(**request)["TaskHandle"]
        return True

    def follow(self, progress: Progress) -> str:
        """Until it has ended; its status then: COMPLETED, FAILED or CANCELLED. Ctrl-C cancels it.

        Raises Unavailable where SQS does not tell of it, or of its end after it was cancelled.
        """
        cancelled = False
        for _ in self._looks():
            newest = self._newest()
            if self._is_this(newest):
                self._started, self.latest = newest["StartedTimestamp"], newest
                progress.show(self.moved)
                if newest["Status"] not in ("RUNNING", "CANCELLING"):
                    return str(newest["Status"])
            if self._interruption.stopped and not cancelled:
                cancelled = True
                self._cancel()
        raise Unavailable(f"queue {self._source.name}: expected to hear how the move task ends, got nothing")

    def _looks(self) -> Iterator[None]:
        """Each is a second after the last: without end while the task is known to run, a number of them otherwise."""
        vain = 0
        while vain < _VAIN_LOOKS:
            yield
            known = self._started is not None and not self._interruption.stopped
            vain = 0 if known else vain + 1
            if not self._interruption.pause(_LOOK_SECONDS):
                self._sleep(_LOOK_SECONDS)

    def _cancel(self) -> None:
        try:
            self._tries.call(self._sqs.cancel_message_move_task, TaskHandle=self._handle)
        except ClientError as error:
            # not there or not to be cancelled: it has come to its end just now
            if error_code(error).rpartition(".")[2] not in _ALREADY_ENDED:
                raise

    def _newest(self) -> dict[str, Any]:
        response = self._tries.call(self._sqs.list_message_move_tasks, SourceArn=self._source.arn, MaxResults=1)
        return dict(next(iter(response.get("Results", ())), {}))

    def _is_this(self, newest: dict[str, Any]) -> bool:
        """The list may lag behind the start, and gives handles of running tasks only."""
        if not newest:
            return False
        if self._started is not None:
            return bool(newest["StartedTimestamp"] == self._started)
        return newest.get("TaskHandle") == self._handle or newest["StartedTimestamp"] != self._earlier


def _is_unknown_action(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return error_code(error).rpartition(".")[2] in _UNKNOWN_ACTION or status == _NOT_IMPLEMENTED
