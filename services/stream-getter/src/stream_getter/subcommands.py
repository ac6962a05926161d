"""What `stream-getter` does beside running the service: `stream-getter rules …`. A new one is a line here."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from pipeline.dead_letters.tools import Terminal
from pipeline.errors import UserMistake
from stream_getter.x.rules import command as rules

Run = Callable[[Sequence[str], Mapping[str, str], Terminal], int]

SUBCOMMANDS: dict[str, tuple[Run, str]] = {
    "rules": (rules.run, "X's rules as code: plan, apply, list, check"),
}
#: What a shell expects of a program that ended for Ctrl-C.
_INTERRUPTED = 130


def run_subcommand(arguments: Sequence[str], environ: Mapping[str, str], terminal: Terminal) -> int:
    """The exit code of the subcommand that the first argument names. Raises UserMistake and Unavailable."""
    name = arguments[0]
    if name in ("-h", "--help"):
        for line in _help():
            terminal.say(line)
        return 0
    if name not in SUBCOMMANDS:
        raise UserMistake(f"expected no argument, or one of {', '.join(SUBCOMMANDS)}, got {name!r}")
    for stream in (sys.stdout, sys.stderr):
        # a terminal that knows no accents is no reason to show nothing
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = SUBCOMMANDS[name][0](arguments[1:], environ, terminal)
        terminal.out.flush()
    except KeyboardInterrupt:
        # what Ctrl-C has left half made complains when it is thrown away, in many lines and to no purpose
        sys.unraisablehook = lambda _complaint: None
        terminal.remark("stream-getter: stopped")
        code = _INTERRUPTED
    except BrokenPipeError:
        # whoever reads has seen enough (head); Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    return code


def _help() -> list[str]:
    lines = [f"  {f'stream-getter {name} …':26}{about}" for name, (_, about) in SUBCOMMANDS.items()]
    return ["usage:", f"  {'stream-getter':26}runs the service until SIGTERM; its README lists the variables", *lines]
