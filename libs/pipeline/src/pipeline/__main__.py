"""The command `pipeline`: tools beside the services. `pipeline dead-letters --help` tells of the one that there is."""

import os
import sys

from pipeline.command_line import run_to_its_end
from pipeline.dead_letters.command import run
from pipeline.dead_letters.tools import Terminal
from pipeline.errors import Unavailable, UserMistake
from pipeline.hostile_text import one_line

_LINE_LENGTH = 1000


def main() -> None:
    """Exits with 0, with 1 where something was left undone, 2 for a user's mistake, 130 for Ctrl-C."""
    sys.exit(_main())


def _main() -> int:
    terminal = Terminal(sys.stdin, sys.stdout, sys.stderr)
    try:
        return run_to_its_end("pipeline", terminal, lambda: run(sys.argv[1:], os.environ, terminal))
    except UserMistake as mistake:
        return _told(mistake, 2)
    except Unavailable as trouble:
        return _told(trouble, 1)


def _told(error: Exception, code: int) -> int:
    print(f"pipeline: {one_line(str(error), _LINE_LENGTH)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
