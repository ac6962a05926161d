"""Asking before something is done that cannot be undone."""

from pipeline.dead_letters.tools import Terminal
from pipeline.errors import UserMistake


def confirmed(terminal: Terminal, what: str, *, yes: bool) -> bool:
    """Whether the user wants it; ``yes`` is given beforehand. No answer is no.

    Raises UserMistake where nobody can be asked.
    """
    if yes:
        return True
    if not terminal.in_.isatty():
        raise UserMistake("--yes: expected it where standard input is no terminal, so that nobody can be asked")
    terminal.err.write(f"{what}? [y/N] ")
    terminal.err.flush()
    if terminal.in_.readline().strip().lower() in ("y", "yes"):
        return True
    terminal.remark("nothing was done")
    return False
