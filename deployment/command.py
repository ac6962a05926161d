"""How a command of this folder ends."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError

from deployment.environment import one_line
from pipeline.errors import Unavailable, UserMistake


def exit_with(command: str, main: Callable[[], int]) -> NoReturn:
    """Ends the process with what ``main`` returns.

    What stopped it becomes one line on standard error: a UserMistake with code 2, no or a bad answer of AWS with 1,
    Ctrl-C with 130.
    """
    try:
        code = main()
    except UserMistake as mistake:
        code = _said(f"{command}: {mistake}", 2)
    except Unavailable as trouble:
        code = _said(f"{command}: {trouble}", 1)
    except (BotoCoreError, ClientError) as error:
        # botocore's text names the call that failed
        code = _said(f"{command}: {one_line(error)}", 1)
    except KeyboardInterrupt:
        code = _said(f"{command}: stopped", 130)
    except BrokenPipeError:
        # nobody reads any more; Python would complain again when it flushes at its own end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _said(line: str, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(line + "\n")
    return code
