"""Sends messages to one SQS queue in full batches, and tells the owner of each when the queue has accepted it.

Any thread puts messages; threads of the writer's own, the senders, take batches from the buffer (pipeline.outgoing),
send them (pipeline.sending), and settle each message's Acceptance by what the answer says of it. What is guaranteed:

- Each message that ``put`` took is accepted by the queue or its owner is told why not, exactly once. Nothing is given
  up because of an outage, however long: only a message that the queue can never accept, and the end of the writer.
- At least once: an answer that is lost after its effect (a time-out, a broken connection) leads to a repeat, never to
  a loss. Stages further on fold repeats.
- One message's failure holds up no other. Messages keep their order roughly, and order is not promised.
- Never more than the buffer's bound is in memory, what is under way included; a full buffer makes ``put`` wait.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.acceptance import Acceptance, all_settled
from pipeline.backoff import Backoff
from pipeline.connection_state import ConnectionState
from pipeline.errors import Unsendable, WriterClosed, WriterCrashed
from pipeline.logs import OccasionalLog, get_logger
from pipeline.outgoing import Outgoing, OutgoingBuffer
from pipeline.queue_metrics import QueueMetrics
from pipeline.sending import Answer, reach, send
from pipeline.sending_gate import SendingGate
from pipeline.trace import TRACE_ID, tracing
from pipeline.watchdog import STEP_SECONDS, Watchdog

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = get_logger(__name__)

#: Seconds that close() still gives to calls that are under way when its time is over.
_LAST_CALL_SECONDS = 1.0


class QueueWriter:
    """The writer of one queue. Safe for any number of threads.

    ``senders`` is the number of requests that may be under way at a time, ``linger_seconds`` how long a message waits
    for company at most, ``max_buffered_bytes`` the buffer's bound, in bytes as SQS counts them. ``backoff`` is for the
    queue's outages, and its figures count for each message that fails by itself too. ``state`` tells readiness.
    ``watchdog`` watches the senders; for it an owner that waits in ``put`` is alive, however long the queue is away.

    A sender that crashes, by a bug here or in an owner's callback, tells every owner whose message waits, and then the
    process's ``threading.excepthook``, by which Lifecycle ends the process.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        name: str,
        metrics: QueueMetrics,
        backoff: Backoff,
        *,
        senders: int = 2,
        linger_seconds: float = 0.02,
        max_buffered_bytes: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = time.monotonic,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._name = name
        self._clock = clock
        self._watchdog = watchdog or Watchdog()
        self._backoff = backoff
        self._buffer = OutgoingBuffer(max_buffered_bytes, linger_seconds)
        self._gate = SendingGate(backoff, clock)
        metrics.start_writer_at_zero(name)
        metrics.buffered_bytes.labels(name).set_function(lambda: self._buffer.size)
        self._sent = metrics.sent.labels(name)
        self._failures = metrics.send_failures.labels(name)
        self._unsendable = metrics.unsendable.labels(name)
        self._occasionally = OccasionalLog(clock=clock)
        self.state = ConnectionState(f"sending to queue {name}")
        lock = threading.Lock()
        self._work = threading.Condition(lock)  # senders wait: for a batch, a time, the gate
        self._changed = threading.Condition(lock)  # owners wait: for room, for the end
        self._refusing_when_full = False
        self._closed = False  # nothing more is taken
        self._over = False  # nothing more is sent
        self._crash: BaseException | None = None
        self._abandoned = 0
        self._running = senders
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"{name}-writer-{number}", daemon=True)
            for number in range(senders)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, body: str, attributes: Mapping[str, str] | None = None, delay_seconds: int = 0) -> Acceptance:
        """Takes a message; waits while the buffer is full. ``delay_seconds`` is from 0 to 900.

        What becomes of the message is told by the acceptance, also where that is known at once: no error once the
        queue has accepted it, Unsendable if the queue never will, WriterClosed if the writer was closed before.
        Raises WriterCrashed, and nothing else, so that a crash ends the owner's thread too.
        """
        try:
            message = Outgoing.of(body, attributes or {}, delay_seconds)
        except Unsendable as error:
            self._unsendable.inc()
            refused = Acceptance()
            refused.set_exception(error)
            return refused
        with self._work:
            while not (self._closed or self._refusing_when_full or self._buffer.has_room_for(message.size)):
                self._changed.wait(STEP_SECONDS)
                self._watchdog.beat()
            if not self._closed and self._buffer.has_room_for(message.size):
                if self._buffer.add(message, self._clock()):
                    self._work.notify()
                return message.acceptance
        if self._crash:
            raise self._error_at_the_end()
        message.acceptance.set_exception(WriterClosed(f"the writer of queue {self._name} is closing"))
        return message.acceptance

    def refuse_when_full(self) -> None:
        """From now on a full buffer refuses instead of waiting: a drain must not hang on an outage."""
        with self._work:
            self._refusing_when_full = True
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Waits up to ``timeout`` seconds until each message that was put before is settled; whether they all are.

        They go at once, without lingering, and those that wait for another try have it now.
        """
        with self._work:
            self._buffer.hurry()
            pending = [message.acceptance for message in self._buffer.unsettled()]
            self._work.notify_all()
        return all_settled(pending, timeout)

    def close(self, timeout: float) -> bool:
        """Takes no more, sends what waits for up to ``timeout`` seconds, and ends the senders.

        Returns whether everything was accepted or refused by the queue; the owners of what was not get WriterClosed. A
        call that outlasts even this tells its messages' owners when it ends.
        """
        with self._work:
            self._closed = True
            self._buffer.stop_lingering()
            self._work.notify_all()
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._running, max(0.0, timeout))
            self._over = True
            self._work.notify_all()
            # calls may still be under way; they are bounded by the client's own time-outs
            ended = self._changed.wait_for(lambda: not self._running, _LAST_CALL_SECONDS)
        self._abandon()
        if ended:
            for thread in self._threads:
                thread.join()
        if self._abandoned:
            log.error("stopped before everything was sent", queue=self._name, messages=self._abandoned)
        return ended and not self._abandoned and self._crash is None

    def send_due(self) -> bool:
        """One turn of a sender, without waiting: sends the next batch if one may go now; whether one did.

        For tests, whose writer has no senders of its own. Raises what a sender would crash by.
        """
        with self._work:
            taken = self._take_due()
        if taken:
            self._settle(*taken, send(self._sqs, self._queue_url, taken[0]))
        return taken is not None

    def _run(self, number: int) -> None:
        batch: list[Outgoing] = []
        try:
            with self._watchdog.watching(f"{self._name}-writer-{number}"):
                if number == 0:
                    self._reach()
                while taken := self._take():
                    batch, ticket = taken
                    self._settle(batch, ticket, send(self._sqs, self._queue_url, batch))
        except BaseException as error:
            self._crash_by(error, batch)
            raise
        finally:
            self._end()

    def _reach(self) -> None:
        """Asks for the queue before there is anything to send, so that readiness and logs tell at start."""
        trouble: str | None = ""
        while trouble is not None:
            with self._work:
                while (shut := self._gate.seconds_shut()) and not (self._closed or self._buffer.waiting):
                    self._wait(shut)
                if self._closed or self._buffer.waiting:
                    return
                ticket = self._gate.enter()
            trouble = reach(self._sqs, self._queue_url)
            self._leave(ticket, trouble is None, trouble or "")

    def _take(self) -> tuple[list[Outgoing], int] | None:
        """Waits for the next batch, and gives it with the gate's ticket for its request; None at the end."""
        with self._work:
            while not self._over:
                self._watchdog.beat()  # one with always something to send never waits
                if taken := self._take_due():
                    return taken
                if self._closed and not self._buffer.waiting:
                    break
                self._wait(max(self._gate.seconds_shut(), self._buffer.next_due() - self._clock()))
        return None

    def _take_due(self) -> tuple[list[Outgoing], int] | None:
        if self._gate.seconds_shut() or not (batch := self._buffer.take(self._clock())):
            return None
        if self._buffer.waiting:
            self._work.notify()  # one may have waited for the gate, as all do
        return batch, self._gate.enter()

    def _settle(self, batch: list[Outgoing], ticket: int, answer: Answer) -> None:
        """Does with each message of the batch what the answer says."""
        self._leave(ticket, answer.queue_works, answer.reason)
        settled = [*answer.accepted, *(message for message, _ in answer.unsendable)]
        with self._work:
            for message in answer.failed:
                self._buffer.set_aside(message, self._clock() + message.next_wait(self._backoff))
            for message in answer.suspects:
                message.alone = True
            self._buffer.put_back(answer.put_back or answer.suspects)
            if answer.failed or answer.suspects:
                self._work.notify()  # this sender may be busy for a while, telling owners
            self._buffer.release(settled)
            self._changed.notify_all()
            batch[:] = settled  # the others are the buffer's again
        self._sent.inc(len(answer.accepted))
        self._failures.inc(len(answer.failed) + len(answer.put_back))
        if answer.failed and answer.queue_works is not False:
            with tracing(answer.failed[0].attributes.get(TRACE_ID, "")):
                self._occasionally.warning(
                    log, "entry", "a message failed by itself, trying again", queue=self._name, reason=answer.reason
                )
        for message in answer.accepted:
            message.acceptance.set_result()
        for message, reason in answer.unsendable:
            self._unsendable.inc()
            message.acceptance.set_exception(Unsendable(reason))
        with self._work:
            self._buffer.ended(batch)

    def _leave(self, ticket: int, queue_works: bool | None, reason: str = "") -> None:
        with self._work:
            has_a_say = self._gate.leave(ticket, queue_works)
        if has_a_say and queue_works:
            self.state.reached()
        elif has_a_say and queue_works is False:
            self.state.failed(reason)

    def _wait(self, seconds: float) -> None:
        self._work.wait(min(seconds, STEP_SECONDS))
        self._watchdog.beat()

    def _crash_by(self, error: BaseException, batch: Sequence[Outgoing]) -> None:
        with self._work:
            self._crash = self._crash or error
            self._closed = self._over = True
        self._abandon(batch)

    def _end(self) -> None:
        if self._over:
            self._abandon()  # a call that outlasted the end may have put its messages back
        if self._crash:
            self.state.failed(str(self._error_at_the_end()))
        with self._work:
            self._running -= 1
            self._work.notify_all()
            self._changed.notify_all()

    def _abandon(self, batch: Sequence[Outgoing] = ()) -> None:
        """Tells the owners of what waits, and of the batch in hand, that nothing more is sent."""
        with self._work:
            left = [each for each in dict.fromkeys([*self._buffer.give_up(), *batch]) if not each.acceptance.done()]
            self._abandoned += len(left)
        for message in left:
            try:
                message.acceptance.set_exception(self._error_at_the_end())
            except Exception:
                log.exception("an owner crashed when it was told that its message was not sent", queue=self._name)

    def _error_at_the_end(self) -> WriterClosed:
        if self._crash:
            crash = WriterCrashed(f"the writer of queue {self._name} crashed: {self._crash!r}")
            crash.__cause__ = self._crash
            return crash
        return WriterClosed(f"the writer of queue {self._name} closed before it was sent")
