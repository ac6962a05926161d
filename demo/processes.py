"""The demo's processes: started one by one, their output interleaved, ended in order. Honcho does the plumbing."""

import contextlib
import queue
import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TextIO

from honcho.colour import get_colours
from honcho.compat import ProcessManager
from honcho.printer import Message, Printer
from honcho.process import Process

#: Seconds for a process to end after SIGTERM: what ECS grants the services.
GRACE_SECONDS = 30.0
#: Seconds within which the operating system starts or kills a process.
START_SECONDS = 5.0


class ProcessDied(Exception):
    """A process ended though nobody asked it to."""


class ProcessGroup:
    """Runs commands, each in a session of its own: Ctrl-C reaches only this process, which ends them in order."""

    def __init__(self, output: TextIO, width: int) -> None:
        self._printer = Printer(output, width=width)
        self._colours = get_colours()
        self._signals = ProcessManager()
        self._events: queue.Queue[Any] = queue.Queue()
        self._changed = threading.Condition()
        self._started: list[str] = []
        self._pids: dict[str, int] = {}
        self._ended: dict[str, int] = {}
        self._stopping: set[str] = set()
        threading.Thread(target=self._pump, name="output", daemon=True).start()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts a command and returns once it has a process id."""
        # exec: the signal goes to the program itself, not to a shell around it
        line = "exec " + shlex.join(command)
        process = Process(line, name=name, colour=next(self._colours), env=dict(environment))
        with self._changed:
            self._started.append(name)  # before there is a process: an interrupt from here on must not forget it
            threading.Thread(target=process.run, args=(self._events,), name=name, daemon=True).start()
            self._changed.wait_for(lambda: name in self._pids)

    def check(self) -> None:
        """Raises ProcessDied when one has ended by itself."""
        with self._changed:
            for name, code in self._ended.items():
                if name not in self._stopping:
                    raise ProcessDied(f"{name} ended by itself with exit code {code}")

    def stop(self, *names: str) -> None:
        """SIGTERM to all of them, and SIGKILL to those that outlast the grace. Returns when all have ended."""
        with self._changed:
            asked = [name for name in names if name in self._started]
            self._changed.wait_for(lambda: all(name in self._pids for name in asked), START_SECONDS)
            started = [name for name in asked if name in self._pids]
            self._stopping.update(started)
            for name in started:
                if name not in self._ended:
                    self._signals.terminate(self._pids[name])
            if not self._changed.wait_for(lambda: all(name in self._ended for name in started), GRACE_SECONDS):
                for name in started:
                    if name not in self._ended:
                        self.say(f"{name} did not end within {GRACE_SECONDS:.0f} s and is killed")
                        self._signals.kill(self._pids[name])
                self._changed.wait_for(lambda: all(name in self._ended for name in started), START_SECONDS)

    def say(self, text: str) -> None:
        """A line of the demo's own among the output of the processes."""
        self._events.put(Message("line", text + "\n", datetime.now(), "demo", None))

    def flush(self) -> None:
        """Waits until everything said so far has been printed."""
        while not self._events.empty():
            time.sleep(0.01)

    def _pump(self) -> None:
        while True:
            event = self._events.get()
            if event.type == "line":
                # a reader that has gone (make demo | head, a closed terminal) must not keep anything from ending
                with contextlib.suppress(OSError, ValueError):
                    self._printer.write(event)
                continue
            with self._changed:
                if event.type == "start":
                    self._pids[event.name] = event.data["pid"]
                else:
                    self._ended[event.name] = event.data["returncode"]
                self._changed.notify_all()
