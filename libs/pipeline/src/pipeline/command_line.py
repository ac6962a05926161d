"""Commands for people: a service's subcommands, and how such a command ends.

What people have seen enough of, or have stopped, is no error of many lines.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from pipeline.dead_letters.tools import Terminal
from pipeline.errors import UserMistake

#: What a shell expects of a program that ended for Ctrl-C.
_INTERRUPTED = 130

#: Gets the arguments after its name, the environment and the terminal; the exit code.
Subcommand = Callable[[Sequence[str], Mapping[str, str], Terminal], int]


def run_subcommand(
    program: str,
    subcommands: Mapping[str, tuple[Subcommand, str]],
    arguments: Sequence[str],
    environ: Mapping[str, str],
    terminal: Terminal,
) -> int:
    """The exit code of the subcommand that the first argument names, run by ``run_to_its_end``, or of --help.

    ``subcommands`` have a line of help each. Raises UserMistake and Unavailable.
    """
    name = arguments[0]
    if name in ("-h", "--help"):
        usage = f"  {program:26}runs the service until SIGTERM; its README lists the variables"
        others = (f"  {f'{program} {each} …':26}{about}" for each, (_, about) in subcommands.items())
        for line in ("usage:", usage, *others):
            terminal.say(line)
        return 0
    if name not in subcommands:
        raise UserMistake(f"expected no argument, or one of {', '.join(subcommands)}, got {name!r}")
    run = subcommands[name][0]
    return run_to_its_end(program, terminal, lambda: run(arguments[1:], environ, terminal))


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
