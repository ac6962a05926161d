"""Receives ahead of the work: a bounded buffer, and the thread that fills it.

So a service that works on one batch has its next one at hand, and the queue's answer time costs it nothing. The bound
is what a slow service holds back from others, and the memory that a fast queue can fill.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from pipeline.backoff import Backoff
from pipeline.claims import Buffered, Claims
from pipeline.connection_state import ConnectionState
from pipeline.giving_back import GivingBack
from pipeline.queue_calls import CallFailed, QueueCalls
from pipeline.reader_metrics import ReaderMetrics
from pipeline.received_message import ReceivedMessage
from pipeline.sqs_rules import BATCH_ENTRIES

#: Seconds within which an answer without a message is no long poll's, and those until the next receive then.
_AT_ONCE = 0.5
_PAUSE_AFTER_NOTHING = 0.2
#: Seconds between two looks at what holds receiving up elsewhere.
_LOOK_AGAIN = 0.5


class ReceiveAhead:
    """``run`` is the thread's; all else may be called from any thread.

    It receives while fewer than ``max_bytes`` are buffered (as SQS counts them) and a whole receive more keeps within
    ``max_messages``; so the bytes exceed their bound by one receive's at most, of ten times 1 MiB. Receiving waits,
    too, while ``held_up`` says so. What arrives after the end is given back at once.
    """

    def __init__(
        self,
        calls: QueueCalls,
        claims: Claims,
        backoff: Backoff,
        giving_back: GivingBack,
        metrics: ReaderMetrics,
        held_up: Callable[[], bool],
        stopping: threading.Event,
        *,
        max_bytes: int,
        max_messages: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._claims = claims
        self._backoff = backoff
        self._giving_back = giving_back
        self._metrics = metrics
        self._held_up = held_up
        self._stopping = stopping
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._limit = min(BATCH_ENTRIES, max_messages)
        self._clock = clock
        lock = threading.Lock()
        self._filled = threading.Condition(lock)
        self._wanted = threading.Condition(lock)
        self._buffer: deque[tuple[Buffered, int]] = deque()
        self._bytes = 0
        self._paused = False
        self._ended = False
        self.state = ConnectionState(f"receiving from queue {metrics.queue}")
        self.poll_began_at: float | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes in the buffer."""
        return self._bytes

    def run(self) -> None:
        """Receives whenever there is room, until ``end`` or ``stopping``."""
        while self._wait_until_wanted():
            self._rest(self.receive())

    def is_wanted(self) -> bool:
        """Whether there is room, and nothing holds receiving up."""
        with self._wanted:
            return (
                not (self._ended or self._paused or self._stopping.is_set())
                and self._has_room()
                and not self._held_up()
            )

    def receive(self) -> float:
        """One receive, which may wait 5 s for a message; the seconds to wait before the next. Call it while wanted."""
        self.poll_began_at = began = self._clock()
        try:
            messages = self._calls.receive(self._limit)
        except CallFailed as error:
            if self._ended or self._stopping.is_set():
                return 0.0
            self.state.failed(str(error))
            return self._backoff.next()
        finally:
            self.poll_began_at = None
        self.state.reached()
        self._backoff.reset()
        if messages:
            self._admit(messages)
            return 0.0
        # a queue with too many messages in flight, or one that does not know long polls, must not be asked in a loop
        return _PAUSE_AFTER_NOTHING if self._clock() - began < _AT_ONCE else 0.0

    def take(self, limit: int, timeout: float) -> list[ReceivedMessage]:
        """Up to ``limit`` messages from the buffer, at once where it has any; none after ``timeout`` s or the end."""
        with self._filled:
            if not self._buffer and not self._ended:
                self._filled.wait_for(lambda: self._buffer or self._ended, timeout)
            taken = [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]
            self._bytes -= sum(size for _, size in taken)
            if self._buffer:
                self._filled.notify()  # one that waits with this one
            if self._has_room():
                self._wanted.notify()
        if not taken:
            return []
        messages, lost = self._claims.hand_out([buffered for buffered, _ in taken])
        self._metrics.tell_lost(lost)
        return messages

    def pause(self) -> None:
        """Receives no more until ``resume``. What is buffered stays claimed and is still handed out."""
        with self._wanted:
            self._paused = True

    def resume(self) -> None:
        """Receives again."""
        with self._wanted:
            self._paused = False
            self._wanted.notify()

    def end(self) -> list[Buffered]:
        """Receives and hands out no more, and wakes all who wait. What was buffered is its caller's to release."""
        with self._filled:
            self._ended = True
            left = [buffered for buffered, _ in self._buffer]
            self._buffer.clear()
            self._bytes = 0
            self._filled.notify_all()
            self._wanted.notify_all()
        return left

    def _admit(self, messages: Sequence[ReceivedMessage]) -> None:
        new = self._claims.admit(messages)
        self._metrics.tell_received(messages, again=len(messages) - len(new))
        sized = [(buffered, _size(buffered[0])) for buffered in new]
        with self._filled:
            if not self._ended:
                self._buffer.extend(sized)
                self._bytes += sum(size for _, size in sized)
                self._filled.notify()
                return
        self._giving_back.give_back_buffered(new)

    def _wait_until_wanted(self) -> bool:
        with self._wanted:
            while not self._ended and not self._stopping.is_set():
                if self._paused or not self._has_room():
                    self._wanted.wait()
                elif self._held_up():
                    self._wanted.wait(_LOOK_AGAIN)
                else:
                    return True
        return False

    def _has_room(self) -> bool:
        return self._bytes < self._max_bytes and len(self._buffer) + self._limit <= self._max_messages

    def _rest(self, seconds: float) -> None:
        if seconds:
            with self._wanted:
                self._wanted.wait_for(lambda: self._ended, seconds)


def _size(message: ReceivedMessage) -> int:
    """Bytes about as SQS counts them. Whatever the message contains, measuring it must not fail."""
    body = message.body
    size = len(body) if body.isascii() else len(body.encode(errors="surrogatepass"))
    for name, value in message.attributes.items():
        size += len(name) + len(value)
    return size
