"""Settling messages once the next queue has accepted what they led to."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait

from pipeline.errors import Unsendable
from pipeline.queue_reader import QueueReader, ReceivedMessage

#: Seconds that a stopping service still waits for the next queue before it gives its messages back.
_STOP_PATIENCE = 5.0
_STEP = 0.5


def settle(
    reader: QueueReader,
    led_to: Sequence[tuple[ReceivedMessage, Sequence["Future[None]"]]],
    what: str,
    stopping: threading.Event,
) -> None:
    """Waits for what each message led to, a ``what`` each, and settles the message by what became of it.

    It is deleted when all were accepted (or there were none), goes to the dead letters when one never can be, and is
    given back otherwise: the service is stopping then.
    """
    wait_until_settled([future for _, futures in led_to for future in futures], stopping)
    done, unfinished = [], []
    for message, futures in led_to:
        errors = [future.exception() for future in futures if future.done()]
        unsendable = next((error for error in errors if isinstance(error, Unsendable)), None)
        if unsendable:
            reader.dead_letter(message, f"its {what} cannot be sent: {unsendable}")
        elif len(errors) == len(futures) and not any(errors):
            done.append(message)
        else:
            unfinished.append(message)
    reader.delete(done)
    if unfinished:
        reader.give_back(unfinished)


def wait_until_settled(accepted: Sequence["Future[None]"], stopping: threading.Event) -> None:
    """Returns when every future is done; once ``stopping`` is set, after 5 s at the latest.

    Futures that are not done then may still be accepted later: their cause must be given back, and a repeat is fine.
    """
    pending = set(accepted)
    while pending and not stopping.is_set():
        pending = wait(pending, timeout=_STEP).not_done
    if pending:
        wait(pending, timeout=_STOP_PATIENCE)
