"""What AWS Copilot's program would accept, as its own --help tells."""

import functools
import re
import subprocess
from collections.abc import Sequence

from deployment.copilot_package import find_copilot

#: `-n, --name string   The name`, `    --yes   Skips`: a value follows where its type is told.
_FLAG = re.compile(r"^ +(?:-(?P<short>\w), )?(?P<long>--[\w-]+)(?: (?P<type>[A-Za-z]\w*))?(?:  |$)", re.MULTILINE)
_USAGE = re.compile(r"^Usage\n +(?P<line>copilot.*)$", re.MULTILINE)
_DEPTH = 2


class NotAccepted(Exception):
    """The command would be refused. The message says why."""


def check_copilot_command(words: Sequence[str]) -> None:
    """Raises NotAccepted for ``words`` that begin with "copilot"."""
    before_flags = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    subcommand = tuple(words[1:before_flags][:_DEPTH])
    told = _help(subcommand)
    flags = {match["long"]: bool(match["type"]) for match in _FLAG.finditer(told)}
    places = 0
    if subcommand:
        usage = _USAGE.search(told)
        if usage is None or not usage["line"].startswith(" ".join(["copilot", *subcommand])):
            raise NotAccepted(f"expected a command of Copilot's, found copilot {' '.join(subcommand)}")
        places = usage["line"].removesuffix("[flags]").count("[")
    rest = list(words[1 + len(subcommand) :])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            places -= 1
        elif word not in flags:
            raise NotAccepted(f"copilot {' '.join(subcommand)}: expected a flag that there is, found {word}")
        elif flags[word] and (not rest or rest.pop(0).startswith("-")):
            raise NotAccepted(f"copilot {' '.join(subcommand)}: {word}: expected a value")
    if places < 0:
        raise NotAccepted(f"copilot {' '.join(subcommand)}: expected flags alone, found {' '.join(words)}")


@functools.cache
def _help(subcommand: tuple[str, ...]) -> str:
    done = subprocess.run([find_copilot(), *subcommand, "--help"], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise NotAccepted(f"expected a command of Copilot's, found copilot {' '.join(subcommand)}")
    return done.stdout
