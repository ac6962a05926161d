"""One place for signals, the order of the drain, its deadline, and what a crashed thread means.

A service hands over its loops (each runs in a thread until ``stopping`` is set) and its drain steps. The order at the
end: intake stops, loops finish what they hold, drain steps run in turn (flush, then close), the process ends. ECS sends
SIGKILL 30 s after SIGTERM, so all of it has 25 s; a second signal gives up waiting at once. Nothing that hangs can hold
the end up: every wait for a loop or a step has an end.

A thread that crashes ends the service, whoever started it: without its reader's heartbeat, say, a service would go on
and do its work twice. Loops are watched too (pipeline.watchdog): one that hangs crashes nothing, and does nothing.
"""

import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pipeline.errors import Unavailable, UserMistake
from pipeline.logs import get_logger
from pipeline.watchdog import LIMIT_SECONDS, Watchdog, WatchedEvent

log = get_logger(__name__)

GRACE_SECONDS = 25.0
#: Seconds that each step of the end has even where none are left: three of them still end before ECS' SIGKILL.
LAST_SECONDS = 1.0


class _Signal(NamedTuple):
    number: int


@dataclass(eq=False, frozen=True, slots=True)
class _Work:
    """A loop or a step of the end, in a thread of its own. Two of the same name are two."""

    name: str


class _Ended(NamedTuple):
    work: _Work
    crash: BaseException | None
    undone: bool = False


class _ThreadCrashed(NamedTuple):
    name: str
    crash: BaseException


_End = _Ended | _ThreadCrashed


class _SecondSignal(Exception):
    """Whoever runs the service does not want to wait any longer."""


class Lifecycle:
    """Runs a service's loops in threads. ``stopping`` is set when the service is to end, for whatever reason.

    ``watchdog`` watches each of them; a loop's look at ``stopping`` is its sign of life.
    """

    def __init__(
        self,
        grace_seconds: float = GRACE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.watchdog = watchdog or Watchdog()
        self.stopping: threading.Event = WatchedEvent(self.watchdog.beat)
        self._grace = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[_Work] = set()  # the loops that the end waits for
        self._signalled = False
        # put() of a SimpleQueue may be called from a signal handler; Event.set() may deadlock there
        self._events: queue.SimpleQueue[_Signal | _End] = queue.SimpleQueue()

    def run(
        self,
        loops: Mapping[str, Callable[[], None]],
        *,
        background: Mapping[str, Callable[[], None]] | None = None,
        on_stop: Sequence[Callable[[], object]] = (),
        drain: Sequence[Callable[[float], object]] = (),
        limits: Mapping[str, float] | None = None,
    ) -> int:
        """Blocks until the service has ended; call it from the main thread. Returns the exit code.

        ``background`` runs like the loops, but nobody waits for it at the end. ``on_stop`` is called first, to unblock
        loops that wait on a socket. Each ``drain`` step gets the seconds that are left; one that returns False has left
        something undone. ``limits`` are the seconds after which a loop without a sign of life is stuck, where they are
        not LIMIT_SECONDS. The code is 0 after a signal or when the loops came to their own end, 2 after a UserMistake
        in a loop, and 1 after any other crash of a thread, a missed deadline or a step left undone.
        """
        self._handle_signals()
        hook_before = threading.excepthook
        threading.excepthook = self._on_crash
        try:
            for name, loop in loops.items():
                self.add(name, loop, (limits or {}).get(name, LIMIT_SECONDS))
            for name, loop in (background or {}).items():
                self._start(_Work(name), loop, (limits or {}).get(name, LIMIT_SECONDS))
            code = self._until_the_end_begins()
            self.stopping.set()
            code = self._end(code, on_stop, drain)
        except _SecondSignal:
            log.warning("second signal: not waiting any longer")
            return 1
        finally:
            threading.excepthook = hook_before
        log.info("stopped", exit_code=code)
        return code

    def add(self, name: str, loop: Callable[[], None], limit_seconds: float = LIMIT_SECONDS) -> None:
        """Runs one more loop like those that ``run`` was given. Any thread may call it, also while the service runs.

        A loop that comes to its own end is no longer watched or waited for.
        """
        work = _Work(name)
        with self._lock:
            self._running.add(work)
        self._start(work, loop, limit_seconds)

    def _start(self, work: _Work, loop: Callable[[], None], limit_seconds: float) -> None:
        def watched() -> None:
            with self.watchdog.watching(work.name, limit_seconds):
                loop()

        threading.Thread(target=self._finish, args=(work, watched), name=work.name, daemon=True).start()

    def _finish(self, work: _Work, target: Callable[[], object]) -> None:
        try:
            undone = target() is False
        except BaseException as crash:  # sys.exit() in a thread would end it without a word
            self._events.put(_Ended(work, crash))
        else:
            self._events.put(_Ended(work, None, undone))

    def _handle_signals(self) -> None:
        def handle(number: int, _frame: object) -> None:
            self._events.put(_Signal(number))

        # they stay after the end: a signal then is no reason for another exit code
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handle)

    def _on_crash(self, hook: threading.ExceptHookArgs) -> None:
        """For threads that were not started here. A SystemExit ends its thread and nothing else, as Python has it."""
        if hook.exc_value is not None and not isinstance(hook.exc_value, SystemExit):
            self._events.put(_ThreadCrashed(hook.thread.name if hook.thread else "unknown", hook.exc_value))

    def _until_the_end_begins(self) -> int:
        while self._is_running():
            event = self._events.get()
            if isinstance(event, _Signal):
                self._first_signal(event)
                return 0
            if code := self._code_of(event):
                return code
        return 0

    def _end(
        self, code: int, on_stop: Sequence[Callable[[], object]], drain: Sequence[Callable[[float], object]]
    ) -> int:
        deadline = self._clock() + self._grace
        for step in on_stop:
            code = max(code, self._code_of_step("on stop", step, deadline))
        while self._is_running() and (event := self._next_event(deadline)):
            code = max(code, self._code_of(event))
        if self._is_running():
            with self._lock:
                late = sorted(work.name for work in self._running)
            log.error("did not end in time", loops=late, seconds=self._grace)
            code = max(code, 1)
        for drain_step in drain:
            left = max(0.0, deadline - self._clock())
            code = max(code, self._code_of_step("drain", partial(drain_step, left), deadline))
        while not self._events.empty():
            last = self._events.get()
            if not isinstance(last, _Signal):  # nothing is left to be hurried
                code = max(code, self._code_of(last))
        return code

    def _code_of_step(self, kind: str, step: Callable[[], object], deadline: float) -> int:
        """Runs a step of the end; one that crashes or hangs must not keep the others from theirs."""
        work = _Work(kind)
        threading.Thread(target=self._finish, args=(work, step), name=kind, daemon=True).start()
        code = 0
        until = max(deadline, self._clock() + LAST_SECONDS)
        while event := self._next_event(until):
            if not isinstance(event, _Ended) or event.work is not work:
                code = max(code, self._code_of(event))
            elif event.crash is None:
                return max(code, 1 if event.undone else 0)
            else:
                log.error("crashed while stopping", exc_info=event.crash)
                return max(code, 1)
        log.error("did not end in time", step=kind, seconds=self._grace)
        return max(code, 1)

    def _is_running(self) -> bool:
        with self._lock:
            return bool(self._running)

    def _next_event(self, deadline: float) -> _End | None:
        """What has happened next; None where nothing has until the deadline. Raises _SecondSignal."""
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - self._clock()))
            except queue.Empty:
                return None
            if not isinstance(event, _Signal):
                return event
            if self._signalled:
                raise _SecondSignal
            self._first_signal(event)  # the end has begun with a crash

    def _first_signal(self, event: _Signal) -> None:
        self._signalled = True
        log.info("stopping", signal=signal.Signals(event.number).name)

    def _code_of(self, event: _End) -> int:
        if isinstance(event, _ThreadCrashed):
            log.error("crashed", thread=event.name, exc_info=event.crash)
            return 1
        with self._lock:
            self._running.discard(event.work)
        if event.crash is None:
            return 0
        if isinstance(event.crash, UserMistake):
            log.error(str(event.crash))
            return 2
        log.error("crashed", loop=event.work.name, exc_info=event.crash)
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
