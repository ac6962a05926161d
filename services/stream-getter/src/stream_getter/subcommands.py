"""What `stream-getter` does beside running the service: `stream-getter rules …`. A new one is a line here."""

from collections.abc import Callable, Mapping, Sequence

from pipeline.command_line import run_to_its_end
from pipeline.dead_letters.tools import Terminal
from pipeline.errors import UserMistake
from stream_getter.x.rules import command as rules

Run = Callable[[Sequence[str], Mapping[str, str], Terminal], int]

SUBCOMMANDS: dict[str, tuple[Run, str]] = {
    "rules": (rules.run, "X's rules as code: plan, apply, list, check"),
}


def run_subcommand(arguments: Sequence[str], environ: Mapping[str, str], terminal: Terminal) -> int:
    """The exit code of the subcommand that the first argument names. Raises UserMistake and Unavailable."""
    name = arguments[0]
    if name in ("-h", "--help"):
        for line in _help():
            terminal.say(line)
        return 0
    if name not in SUBCOMMANDS:
        raise UserMistake(f"expected no argument, or one of {', '.join(SUBCOMMANDS)}, got {name!r}")
    run = SUBCOMMANDS[name][0]
    return run_to_its_end("stream-getter", terminal, lambda: run(arguments[1:], environ, terminal))


def _help() -> list[str]:
    lines = [f"  {f'stream-getter {name} …':26}{about}" for name, (_, about) in SUBCOMMANDS.items()]
    return ["usage:", f"  {'stream-getter':26}runs the service until SIGTERM; its README lists the variables", *lines]
