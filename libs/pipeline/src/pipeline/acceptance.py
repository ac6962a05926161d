"""What becomes of a message that was put, and how a message is settled by what became of those it led to.

A writer makes an Acceptance for each message and settles it exactly once. Its owner asks it, waits for it, or leaves a
callback; services that handle one message by sending others call ``settle``.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pipeline.errors import Unsendable, WriterCrashed
from pipeline.trace import trace_id_of, tracing

if TYPE_CHECKING:
    from pipeline.queue_reader import QueueReader
    from pipeline.received_message import ReceivedMessage

#: Seconds that a stopping service still waits for the next queue before it gives its messages back.
_STOP_PATIENCE = 5.0
#: Seconds until a wait looks whether the service is to stop.
_STEP = 0.5


class Acceptance:
    """What became of one message: accepted, or the error that says why not. Safe for several threads.

    It has the part of concurrent.futures.Future that owners use, in its words, at a tenth of a Future's 1.6 kB: a full
    buffer holds one for each of many small messages.
    """

    __slots__ = ("_callbacks", "_error", "_lock", "_settled")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settled = False
        self._error: Exception | None = None
        self._callbacks: list[Callable[[Acceptance], object]] | None = None

    def done(self) -> bool:
        """Whether it is known what became of the message."""
        return self._settled

    def wait(self, timeout: float | None = None) -> bool:
        """Waits up to ``timeout`` seconds, without one for ever; whether it is done then."""
        if self._settled:
            return True
        told = threading.Event()

        def wake(_acceptance: Acceptance) -> None:
            told.set()

        self.add_done_callback(wake)
        if not told.wait(timeout):
            with self._lock:
                # a wait that is repeated for hours must not leave a callback for each time
                if self._callbacks and wake in self._callbacks:
                    self._callbacks.remove(wake)
        return self._settled

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Why the message was not accepted; None when it was. Raises TimeoutError after ``timeout`` seconds."""
        if not self.wait(timeout):
            raise TimeoutError(f"nothing became known of the message within {timeout} s")
        return self._error

    def result(self, timeout: float | None = None) -> None:
        """Returns once the message was accepted; raises what ``exception`` would return, and as it does."""
        if error := self.exception(timeout):
            raise error

    def add_done_callback(self, callback: Callable[["Acceptance"], object]) -> None:
        """Calls ``callback`` with this object once it is done, at once where it is already.

        Otherwise it runs in the thread that settles it, a sender of the writer: it must not wait for that writer. What
        it raises there is a bug of the owner's, which crashes the writer rather than be swallowed.
        """
        with self._lock:
            if not self._settled:
                self._callbacks = [*(self._callbacks or ()), callback]
                return
        callback(self)

    def set_result(self, _accepted: None = None) -> None:
        """The queue has accepted the message. For the writer; once, and not together with ``set_exception``."""
        self._settle(None)

    def set_exception(self, error: Exception) -> None:
        """The message was not accepted and the writer tries it no more. As ``set_result``."""
        self._settle(error)

    def _settle(self, error: Exception | None) -> None:
        with self._lock:
            if self._settled:
                raise RuntimeError("a message was settled twice")
            self._error = error
            self._settled = True
            callbacks, self._callbacks = self._callbacks, None
        if callbacks:
            # one that raises must not keep the others from being told
            with ExitStack() as stack:
                for callback in reversed(callbacks):
                    stack.callback(callback, self)


def all_settled(acceptances: Iterable[Acceptance], timeout: float, clock: Callable[[], float] = time.monotonic) -> bool:
    """Waits until all are done, up to ``timeout`` seconds in all; whether they are."""
    deadline = clock() + timeout
    # waiting for one after the other costs one wake-up a batch: those of a batch are told together
    return all(acceptance.done() or acceptance.wait(max(0.0, deadline - clock())) for acceptance in acceptances)


def wait_until_settled(acceptances: Sequence[Acceptance], stopping: threading.Event) -> None:
    """Returns when all are done; once ``stopping`` is set, some 5 s later at the latest.

    Those that are not done then may still be accepted later: their cause must be given back, and a repeat is fine.
    """
    for acceptance in acceptances:
        while not stopping.is_set() and not acceptance.wait(_STEP):
            pass
    all_settled(acceptances, _STOP_PATIENCE)


def settle(
    reader: "QueueReader",
    led_to: Sequence[tuple["ReceivedMessage", Sequence[Acceptance]]],
    what: str,
    stopping: threading.Event,
) -> None:
    """Waits for what each message led to, a ``what`` each, and settles the message by what became of it.

    It is deleted when all were accepted (or there were none), goes to the dead letters when one never can be, and is
    given back otherwise: the service is stopping then, or the writer has crashed. The latter is raised, WriterCrashed,
    after everything was settled, so that the crash ends the owner's loop and with it the process.
    """
    wait_until_settled([acceptance for _, acceptances in led_to for acceptance in acceptances], stopping)
    done, unfinished = [], []
    crash: WriterCrashed | None = None
    for message, acceptances in led_to:
        errors = [acceptance.exception() for acceptance in acceptances if acceptance.done()]
        unsendable = next((error for error in errors if isinstance(error, Unsendable)), None)
        if unsendable:
            with tracing(trace_id_of(message)):
                reader.dead_letter(message, f"its {what} cannot be sent: {unsendable}")
        elif len(errors) == len(acceptances) and not any(errors):
            done.append(message)
        else:
            unfinished.append(message)
            crash = crash or next((error for error in errors if isinstance(error, WriterCrashed)), None)
    reader.delete(done)
    if unfinished:
        reader.give_back(unfinished)
    if crash:
        raise crash
