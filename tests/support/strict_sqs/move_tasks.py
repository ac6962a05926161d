"""Move tasks: what a dead-letter queue holds goes back, at a rate (SQS API Reference: StartMessageMoveTask).

A moved message is a new one: new id, new time of sending, no receives; body and attributes stay (SQS Developer Guide:
"Learn how to configure a dead-letter queue redrive"). One that was sent to the dead letters, and not moved there by
maxReceiveCount, has no source to go back to: the task fails unless it was given a destination.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.support.strict_sqs.clock import Clock
from tests.support.strict_sqs.errors import invalid_parameter, invalid_value, queue_does_not_exist, resource_not_found
from tests.support.strict_sqs.limits import MOVES_PER_SECOND, SECOND_MS
from tests.support.strict_sqs.message import Message
from tests.support.strict_sqs.queue import Queue
from tests.support.strict_sqs.registry import Registry

_HANDLE = "move-task"


class Status(StrEnum):
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


@dataclass
class MoveTask:
    """One task. ``rate``: messages a second, as it was asked for."""

    handle: str
    source_arn: str
    destination_arn: str | None
    rate: int | None
    started_ms: int
    to_move: int
    moved: int = 0
    status: Status = Status.RUNNING
    failure: str | None = None

    def due_ms(self) -> int:
        """When the next message moves."""
        return self.started_ms + -(-(self.moved + 1) * SECOND_MS // (self.rate or MOVES_PER_SECOND))


class MoveTasks:
    """Shares its broker's lock, ``changed``. Tasks make progress when the broker is asked for anything."""

    def __init__(
        self,
        changed: threading.Condition,
        clock: Clock,
        registry: Registry,
        settle: Callable[[Queue, int], None],
        move: Callable[[Message, Queue, Queue, int], None],
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._registry = registry
        self._settle = settle
        self._move = move
        self._tasks: list[MoveTask] = []
        self._running: list[MoveTask] = []

    def start(self, source_arn: str, destination_arn: str | None, rate: int | None) -> str:
        """The handle of a new task. Raises SqsError."""
        if rate is not None and not 1 <= rate <= MOVES_PER_SECOND:
            raise invalid_value("MaxNumberOfMessagesPerSecond", rate, f"Must be between 1 and {MOVES_PER_SECOND}.")
        with self._changed:
            now = self._clock.now_ms()
            self.progress(now)
            source = self._queue(source_arn, "SourceArn")
            if not self._registry.sources_of(source_arn):
                raise invalid_parameter("Source queue must be configured as a Dead Letter Queue.")
            if destination_arn is not None:
                self._queue(destination_arn, "DestinationArn")
            if any(task.source_arn == source_arn for task in self._running):
                raise invalid_parameter(
                    "There is already a task running. Only one active task is allowed for a source queue arn at a "
                    "given time."
                )
            self._settle(source, now)
            handle = f"{_HANDLE}-{len(self._tasks)}"
            task = MoveTask(handle, source_arn, destination_arn, rate, now, len(source.visible()))
            self._tasks.append(task)
            self._running.append(task)
            self._changed.notify_all()
            return handle

    def list(self, source_arn: str, limit: int) -> list[MoveTask]:
        """The latest tasks of a queue, the last one first. Raises SqsError."""
        with self._changed:
            self.progress(self._clock.now_ms())
            self._queue(source_arn, "SourceArn")
            return [task for task in reversed(self._tasks) if task.source_arn == source_arn][:limit]

    def cancel(self, handle: str) -> int:
        """Stops a task; the number of messages that it has moved. Raises SqsError."""
        with self._changed:
            self.progress(self._clock.now_ms())
            if not handle.startswith(_HANDLE):
                raise invalid_parameter("Value for parameter TaskHandle is invalid.")
            for task in self._running:
                if task.handle == handle:
                    self._end(task, Status.CANCELLED)
                    return task.moved
            raise resource_not_found("Task does not exist.")

    def next_move_ms(self) -> int | None:
        """When a running task moves its next message."""
        return min((task.due_ms() for task in self._running), default=None)

    def progress(self, now_ms: int) -> None:
        """Moves what running tasks have to have moved by now, each message at its own time."""
        for task in list(self._running):
            while task.status is Status.RUNNING and (at_ms := task.due_ms()) <= now_ms:
                self._step(task, at_ms)

    def _step(self, task: MoveTask, at_ms: int) -> None:
        source = self._registry.by_arn(task.source_arn)
        if source is None:
            self._end(task, Status.FAILED, queue_does_not_exist().code)
            return
        self._settle(source, at_ms)
        message = source.next_visible()
        if task.moved >= task.to_move or message is None:
            self._end(task, Status.COMPLETED)
            return
        target_arn = task.destination_arn or message.source_arn
        target = self._registry.by_arn(target_arn)
        if not target_arn:
            self._end(task, Status.FAILED, "CouldNotDetermineMessageSource")
        elif target is None:
            self._end(task, Status.FAILED, queue_does_not_exist().code)
        else:
            self._move(message, source, target, at_ms)
            task.moved += 1
            if task.moved == task.to_move:
                self._end(task, Status.COMPLETED)

    def _end(self, task: MoveTask, status: Status, failure: str | None = None) -> None:
        task.status = status
        task.failure = failure
        self._running.remove(task)

    def _queue(self, arn: str, parameter: str) -> Queue:
        queue = self._registry.by_arn(arn)
        if queue is None:
            raise resource_not_found(f"The resource that you specified for the {parameter} parameter doesn't exist.")
        return queue
