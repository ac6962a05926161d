"""One place for signals, the order of the drain, its deadline, and what a crashed thread means.

A service hands over its loops (each runs in a thread until ``stopping`` is set) and its drain steps. The order at the
end: intake stops, loops finish what they hold, drain steps run in turn, the process ends. ECS sends SIGKILL 30 s after
SIGTERM, so all of it has 25 s; a second signal gives up waiting at once.
"""

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pipeline.errors import Unavailable, UserMistake
from pipeline.logs import get_logger

log = get_logger(__name__)

GRACE_SECONDS = 25.0

_Handler = Any  # what signal.signal takes and gives: a function, a number or None


class _Signal(NamedTuple):
    number: int


class _LoopEnded(NamedTuple):
    name: str
    crash: Exception | None


class Lifecycle:
    """Runs a service's loops in threads. ``stopping`` is set when the service is to end, for whatever reason."""

    def __init__(self, grace_seconds: float = GRACE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self.stopping = threading.Event()
        self._grace = grace_seconds
        self._clock = clock
        # put() of a SimpleQueue may be called from a signal handler; Event.set() may deadlock there
        self._events: queue.SimpleQueue[_Signal | _LoopEnded] = queue.SimpleQueue()

    def run(
        self,
        loops: Mapping[str, Callable[[], None]],
        *,
        background: Mapping[str, Callable[[], None]] | None = None,
        on_stop: Sequence[Callable[[], None]] = (),
        drain: Sequence[Callable[[float], object]] = (),
    ) -> int:
        """Blocks until the service has ended; call it from the main thread. Returns the exit code.

        ``background`` runs like the loops, but nobody waits for it at the end. ``on_stop`` is called first, to unblock
        loops that wait on a socket. Each ``drain`` step gets the seconds that are left; one that returns False has left
        something undone. The code is 0 after a signal or when a loop came to its own end, and 1 after a crash, a missed
        deadline or a step left undone.
        """
        self._handle_signals(lambda number, _frame: self._events.put(_Signal(number)))
        for name, loop in {**loops, **(background or {})}.items():
            threading.Thread(target=self._run_loop, args=(name, loop), name=name, daemon=True).start()

        running = set(loops)
        code = self._wait_for_the_end(running)
        self.stopping.set()
        deadline = self._clock() + self._grace
        for step in on_stop:
            code = max(code, self._code_of_step(step))
        while running and (event := self._next_event(deadline)):
            if isinstance(event, _Signal):
                return self._give_up()
            running.discard(event.name)
            code = max(code, self._code_of(event))
        if running:
            log.error("did not end in time", loops=sorted(running), seconds=self._grace)
            code = 1
        # from here on nobody reads the events; a signal interrupts the step that is under way
        before = self._handle_signals(signal.default_int_handler)
        try:
            for drain_step in drain:
                left = max(0.0, deadline - self._clock())
                code = max(code, self._code_of_step(partial(drain_step, left)))
        except KeyboardInterrupt:
            return self._give_up()
        finally:
            self._handle_signals(before)
        log.info("stopped", exit_code=code)
        return code

    def _handle_signals(self, handler: _Handler) -> _Handler:
        before: _Handler = handler
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.signal(number, handler)
        return before

    def _give_up(self) -> int:
        log.warning("second signal: not waiting any longer")
        return 1

    def _code_of_step(self, step: Callable[[], object]) -> int:
        """Runs a step of the end; one that crashes must not keep the others from theirs."""
        try:
            finished = step()
        except Exception:
            log.exception("crashed while stopping")
            return 1
        return 1 if finished is False else 0

    def _wait_for_the_end(self, running: set[str]) -> int:
        while running:
            event = self._events.get()
            if isinstance(event, _Signal):
                log.info("stopping", signal=signal.Signals(event.number).name)
                return 0
            running.discard(event.name)
            if event.crash is not None:
                return self._code_of(event)
        return 0

    def _next_event(self, deadline: float) -> _Signal | _LoopEnded | None:
        try:
            return self._events.get(timeout=max(0.0, deadline - self._clock()))
        except queue.Empty:
            return None

    def _run_loop(self, name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception as error:
            self._events.put(_LoopEnded(name, error))
        else:
            self._events.put(_LoopEnded(name, None))

    def _code_of(self, event: _LoopEnded) -> int:
        if event.crash is None:
            return 0
        if isinstance(event.crash, UserMistake):
            log.error(str(event.crash))
            return 2
        log.error("crashed", loop=event.name, exc_info=event.crash)
        return 1


def exit_with(service: str, main: Callable[[], int]) -> None:
    """Ends the process with what ``main`` returns.

    A UserMistake becomes one line on standard error and code 2; so does Unavailable, with code 1. SIGTERM or SIGINT
    before ``Lifecycle.run`` ends it with 0: nothing is held yet. Call it from the main thread.
    """
    try:
        # a container's first process ignores signals that it has no handler for, and a start may wait for a minute
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.default_int_handler)
        code = main()
    except KeyboardInterrupt:
        print(f"{service}: stopped before it had started", file=sys.stderr)
        code = 0
    except UserMistake as mistake:
        print(f"{service}: {mistake}", file=sys.stderr)
        code = 2
    except Unavailable as trouble:
        print(f"{service}: {trouble}", file=sys.stderr)
        code = 1
    sys.exit(code)
