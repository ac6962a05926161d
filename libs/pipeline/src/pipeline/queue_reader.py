"""Receives from one SQS queue, keeps what is worked on hidden from others, and settles each message for good.

Who calls what when: a service's loops call ``receive`` again and again. Every message that it hands out must be settled
by exactly one of ``delete``, ``give_back``, ``retry_later`` and ``dead_letter``, from any thread and whenever its work
is done; until then the reader keeps it hidden, 12 hours at most (SQS). At the end the drain calls ``close``, which
gives back what was not settled.

Guaranteed: no message is lost, for SQS keeps it until the owner's ``delete``. None is handed out twice while its first
holder has it. What was given back, or settled in another way, is settled no second time: the call does nothing.

Not guaranteed: that a message comes once. It comes again after the process was killed, also between ``delete`` and the
batch some 20 ms later; when its claim has lapsed, in an outage longer than the visibility timeout or after 12 hours;
and when SQS delivers it twice. Every stage tolerates that.

The parts: ``queue_calls`` asks SQS, ``claims`` keeps the books, and three threads do the work: ``receive_ahead``
fills a bounded buffer, ``heartbeat`` keeps messages hidden, ``deletions`` deletes in batches.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pipeline.backoff import Backoff
from pipeline.claims import Claims
from pipeline.connection_state import ConnectionState
from pipeline.dead_lettering import as_dead_letter
from pipeline.deletions import MANY, Deletions
from pipeline.giving_back import GivingBack
from pipeline.heartbeat import Heartbeat
from pipeline.logs import get_logger
from pipeline.queue_calls import POLL_SECONDS, CallFailed, QueueCalls, call_failed
from pipeline.queue_metrics import QueueMetrics
from pipeline.reader_metrics import ReaderMetrics
from pipeline.reader_threads import Joinable, ReaderCrashed, ReaderThreads, StartThread, start_daemon_thread
from pipeline.receive_ahead import ReceiveAhead
from pipeline.received_message import ReceivedMessage
from pipeline.retry_delays import RetryDelays
from pipeline.sqs_rules import BATCH_ENTRIES
from pipeline.watchdog import Watchdog

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["GIVE_BACK_SECONDS", "POLL_SECONDS", "QueueReader", "ReaderCrashed", "ReceivedMessage"]

log = get_logger(__name__)

#: Seconds that a drain leaves for a reader's ``close``.
GIVE_BACK_SECONDS = 3.0
#: Seconds beyond its end that a long poll's answer may take.
_POLL_MARGIN = 1.0
#: Seconds that a message waits whose dead letter could not be written.
_DEAD_LETTER_DELAY = 60
#: Seconds of the first ``retry_later`` and of the longest: with maxReceiveCount 100, a day of tries.
_FIRST_RETRY = 2.0
_LONGEST_RETRY = 900.0


class ReaderState:
    """Whether the queue can be reached, for /readyz. Changes are logged once, not every try."""

    def __init__(self, receiving: ConnectionState, deletions: Deletions, threads: ReaderThreads) -> None:
        self._receiving = receiving
        self._deletions = deletions
        self._threads = threads

    def trouble(self) -> str | None:
        """Why messages cannot be received, or not be deleted, in one line; None when they can."""
        if self._threads.crash:
            return str(self._threads.crash)
        return self._receiving.trouble() or (self._deletions.state.trouble() if self._deletions.waiting else None)


class QueueReader:
    """One queue and its dead-letter queue. All methods may be called from any thread.

    Nothing is received before the first ``receive``, nor after ``stopping`` is set: what is buffered then is given back
    at once. An outage of the queue, throttling, a lack of rights and credentials that have run out are waited out with
    ``backoff``, and receiving goes on by itself. ``receiving``, ``heartbeat`` and ``deletions`` are the parts that the
    threads run; a test whose ``start_thread`` starts none takes their steps itself.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        queue_url: str,
        dead_letter_queue_url: str,
        name: str,
        service: str,
        metrics: QueueMetrics,
        backoff: Backoff,
        stopping: threading.Event,
        *,
        visibility_timeout: int = 60,
        max_buffered_bytes: int = 4 * 1024 * 1024,
        max_buffered_messages: int = 3 * BATCH_ENTRIES,
        linger_seconds: float = 0.02,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        sleep: Callable[[float], object] = time.sleep,
        start_thread: StartThread = start_daemon_thread,
        watchdog: Watchdog | None = None,
    ) -> None:
        """``backoff`` is this reader's own. ``now`` gives UNIX seconds, ``clock`` seconds that never go back.

        ``visibility_timeout`` (seconds) is what the messages of a killed process wait at least. A deletion waits for
        others up to ``linger_seconds``. For ``watchdog`` an owner that moves one message after the other to the dead
        letters is alive, however long each call takes.
        """
        self._sqs = sqs
        self._dead_letter_queue_url = dead_letter_queue_url
        self._service = service
        self._stopping = stopping
        self._now = now
        self._clock = clock
        self._watchdog = watchdog or Watchdog()
        self._closed = threading.Event()
        self._metrics = ReaderMetrics(metrics, name, now)
        self._retry_delays = RetryDelays(_FIRST_RETRY, _LONGEST_RETRY, rng or random.Random())
        self._starting = threading.Lock()
        self._threads = ReaderThreads(name, start_thread, self._on_crash)
        self._receiver: Joinable | None = None
        self._deleter: Joinable | None = None
        self._beater: Joinable | None = None

        calls = QueueCalls(sqs, queue_url, visibility_timeout)
        hiding = ConnectionState(f"keeping messages of queue {name} hidden")
        self._claims = claims = Claims(visibility_timeout, clock)
        self.heartbeat = Heartbeat(calls, claims, hiding, self._metrics, self._closed, clock)
        self._giving_back = GivingBack(calls, claims, self.heartbeat, hiding, self._metrics, clock=clock, wait=sleep)
        self.deletions = Deletions(
            calls,
            claims,
            Backoff(0.1, 5.0, rng or random.Random()),
            self._metrics,
            linger_seconds=linger_seconds,
            clock=clock,
        )
        self.receiving = ReceiveAhead(
            calls,
            claims,
            backoff,
            self._giving_back,
            self._metrics,
            lambda: self.deletions.waiting >= MANY,
            stopping,
            max_bytes=max_buffered_bytes,
            max_messages=max_buffered_messages,
            clock=clock,
        )
        self.state = ReaderState(self.receiving.state, self.deletions, self._threads)
        metrics.oldest_age.labels(name).set_function(self._oldest_age)
        metrics.reader_buffered_bytes.labels(name).set_function(lambda: float(self.receiving.buffered_bytes))

    def receive(self, limit: int = BATCH_ENTRIES, timeout: float = 5.0) -> list[ReceivedMessage]:
        """Up to ``limit`` messages, at once where any is buffered; none after ``timeout`` s without, or at the stop.

        Callers simply call again, whatever state the queue is in. Raises ReaderCrashed when one of the reader's threads
        has: let it end the process.
        """
        if not self._receiver and not self._stopping.is_set():
            self._start()
        messages = [] if self._stopping.is_set() else self.receiving.take(limit, timeout)
        if self._threads.crash:
            raise self._threads.crash
        return messages

    def pause(self) -> None:
        """Receives no more until ``resume``: the work cannot be done now, and other processes may be able to.

        What is buffered stays hidden from them and is still handed out, one receive under way included.
        """
        self.receiving.pause()

    def resume(self) -> None:
        """Receives again."""
        self.receiving.resume()

    def delete(self, messages: Sequence[ReceivedMessage]) -> None:
        """Everything that the messages led to has been accepted: they are done with. Returns at once.

        They are deleted within some 20 ms, ten by one call. What cannot be deleted comes again later: that is logged,
        and the stages after this one fold the repeat. So it is when the process is killed in between.
        """
        if claims := self._claims.done(messages):
            self.deletions.add(claims)

    def give_back(self, messages: Sequence[ReceivedMessage], delay_seconds: int = 0) -> None:
        """Makes messages visible again after ``delay_seconds`` (up to 12 h), for whoever receives them then.

        Done when it returns, or after some seconds given up and logged: the message is visible after its timeout then.
        """
        self._giving_back.give_back([(claim, delay_seconds) for claim in self._claims.release(messages)])

    def retry_later(self, messages: Sequence[ReceivedMessage]) -> None:
        """Gives back messages whose handling has failed and may succeed later.

        Each waits the longer the more often it has been received: 1 to 2 s after the first time, doubling up to between
        7.5 and 15 minutes. Every try costs one of the queue's maxReceiveCount (100), after which the message goes to
        the dead letters without a reason: this is for faults that are rare. In an outage ``pause`` instead.
        """
        delays = {message.id: self._retry_delays.after(message.receive_count) for message in messages}
        self._giving_back.give_back([(claim, delays[claim.id]) for claim in self._claims.release(messages)])

    def dead_letter(self, message: ReceivedMessage, reason: str, log_reason: str | None = None) -> None:
        """Moves a message that can never succeed to the dead letters, with reason, service and source MessageId.

        It leaves this queue only after the other has accepted it; when that fails it is given back for a minute. A
        ``reason`` that may quote the message is not to be logged: the log has ``log_reason`` then.
        """
        if not self._claims.is_in_hand(message):
            return
        self._watchdog.beat()
        letter = as_dead_letter(message, reason, self._service)
        try:
            with call_failed():
                self._sqs.send_message(QueueUrl=self._dead_letter_queue_url, **letter)
        except CallFailed as error:
            log.warning("dead letters cannot be written, trying again", queue=self._metrics.queue, reason=str(error))
            self.give_back([message], delay_seconds=_DEAD_LETTER_DELAY)
            return
        why = log_reason or letter["MessageAttributes"]["reason"]["StringValue"]
        log.warning("dead letter", queue=self._metrics.queue, reason=why, message_id=message.id)
        self._metrics.dead_lettered.inc()
        self.delete([message])

    def close(self, timeout: float | None = None) -> None:
        """Deletes what is to be deleted, gives back what is left, and ends the threads, within ``timeout`` seconds.

        Without one it takes GIVE_BACK_SECONDS at most, and longer only for a receive that began just before the stop:
        its messages would be hidden for a whole visibility timeout otherwise. What cannot be settled in time, whatever
        the queue's state, comes again later. Call it once all owners have ended: what they still settle does nothing.
        """
        deadline = self._clock() + (self._seconds_to_close() if timeout is None else timeout)
        self.receiving.end()
        self._closed.set()
        if self._deleter and (left := self.deletions.end((deadline - self._clock()) / 2, self._deleter.join)):
            log.warning("messages could not be deleted and will come again", queue=self._metrics.queue, messages=left)
        if claims := self._claims.release_all():
            give_back = partial(self._giving_back.give_back, [(claim, 0) for claim in claims])
            # in a thread, for a call to a queue that does not answer takes as long as the client waits
            self._threads.start("closing", give_back).join(max(0.0, deadline - self._clock()))
        # the heartbeat may still be giving back what was buffered at the stop
        for thread in (self._beater, self._receiver):
            if thread:
                thread.join(max(0.0, deadline - self._clock()))

    def _start(self) -> None:
        with self._starting:
            if self._receiver or self._closed.is_set():
                return
            self._beater = self._threads.start("heartbeat", partial(self.heartbeat.run, self._stopping, self._on_stop))
            self._deleter = self._threads.start("deletions", self.deletions.run)
            self._receiver = self._threads.start("receiver", self.receiving.run)

    def _on_stop(self) -> None:
        self._giving_back.give_back_buffered(self.receiving.end())

    def _on_crash(self) -> None:
        self.receiving.end()

    def _seconds_to_close(self) -> float:
        began = self.receiving.poll_began_at
        poll = 0.0 if began is None else began + POLL_SECONDS + _POLL_MARGIN - self._clock()
        return max(GIVE_BACK_SECONDS, poll)

    def _oldest_age(self) -> float:
        oldest = self._claims.oldest_sent_at()
        return 0.0 if oldest is None else max(0.0, self._now() - oldest)
