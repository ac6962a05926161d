"""Waiting until messages that one piece of work led to have been accepted by the next queue."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait

#: Seconds that a stopping service still waits for the next queue before it gives its messages back.
_STOP_PATIENCE = 5.0
_STEP = 0.5


def wait_until_settled(accepted: Sequence["Future[None]"], stopping: threading.Event) -> None:
    """Returns when every future is done; once ``stopping`` is set, after 5 s at the latest.

    Futures that are not done then may still be accepted later: their cause must be given back, and a repeat is fine.
    """
    pending = set(accepted)
    while pending and not stopping.is_set():
        pending = wait(pending, timeout=_STEP).not_done
    if pending:
        wait(pending, timeout=_STOP_PATIENCE)
