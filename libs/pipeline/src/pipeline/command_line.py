"""How a command for people ends: what they have seen enough of, or have stopped, is no error of many lines."""

import os
import sys
from collections.abc import Callable

from pipeline.dead_letters.tools import Terminal

#: What a shell expects of a program that ended for Ctrl-C.
_INTERRUPTED = 130


def run_to_its_end(program: str, terminal: Terminal, run: Callable[[], int]) -> int:
    """The exit code: that of ``run``, 130 for Ctrl-C, 1 where nobody reads any more. Other exceptions pass through.

    Call it once, from the main thread, with the terminal of sys.stdout and sys.stderr.
    """
    for stream in (sys.stdout, sys.stderr):
        # a terminal that knows no accents is no reason to show nothing
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = run()
        terminal.out.flush()
    except KeyboardInterrupt:
        # what Ctrl-C has left half made complains when it is thrown away, in many lines and to no purpose
        sys.unraisablehook = lambda _complaint: None
        terminal.remark(f"{program}: stopped")
        code = _INTERRUPTED
    except BrokenPipeError:
        # whoever reads has seen enough (head); Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    return code
