"""The command `pipeline`: tools beside the services. `pipeline dead-letters --help` tells of the one that there is."""

import os
import sys

from pipeline.dead_letters.command import run
from pipeline.dead_letters.tools import Terminal
from pipeline.errors import Unavailable, UserMistake
from pipeline.hostile_text import one_line

_LINE_LENGTH = 1000
#: What a shell expects of a program that ended for Ctrl-C.
_INTERRUPTED = 130


def main() -> None:
    """Exits with 0, with 1 where something was left undone, 2 for a user's mistake, 130 for Ctrl-C."""
    sys.exit(_main())


def _main() -> int:
    for stream in (sys.stdout, sys.stderr):
        # a terminal that knows no accents is no reason to show nothing
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = run(sys.argv[1:], os.environ, Terminal(sys.stdin, sys.stdout, sys.stderr))
        sys.stdout.flush()
    except UserMistake as mistake:
        code = _told(mistake, 2)
    except Unavailable as trouble:
        code = _told(trouble, 1)
    except KeyboardInterrupt:
        # what Ctrl-C has left half made complains when it is thrown away, in many lines and to no purpose
        sys.unraisablehook = lambda _complaint: None
        print("pipeline: stopped", file=sys.stderr)
        code = _INTERRUPTED
    except BrokenPipeError:
        # whoever reads has seen enough (head); Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    return code


def _told(error: Exception, code: int) -> int:
    print(f"pipeline: {one_line(str(error), _LINE_LENGTH)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
