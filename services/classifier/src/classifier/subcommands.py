"""What `classifier` does beside running the service: `classifier evaluate …`. A new one is a line here."""

from collections.abc import Callable, Mapping, Sequence

from classifier.evaluate import command as evaluate
from pipeline.command_line import run_to_its_end
from pipeline.dead_letters.tools import Terminal
from pipeline.errors import UserMistake

Run = Callable[[Sequence[str], Mapping[str, str], Terminal], int]

SUBCOMMANDS: dict[str, tuple[Run, str]] = {
    "evaluate": (evaluate.run, "how well labels, thresholds and the model work, by labelled posts"),
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
    return run_to_its_end("classifier", terminal, lambda: run(arguments[1:], environ, terminal))


def _help() -> list[str]:
    lines = [f"  {f'classifier {name} …':26}{about}" for name, (_, about) in SUBCOMMANDS.items()]
    return ["usage:", f"  {'classifier':26}runs the service until SIGTERM; its README lists the variables", *lines]
