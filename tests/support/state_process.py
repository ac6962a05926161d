"""Processes of their own that keep state in a folder: python -m tests.support.state_process JOB FOLDER [NUMBER].

Jobs: ``save`` saves for ever, and tells on standard output of each save once it has returned; ``hold`` opens the store,
tells so and waits; ``die-at`` saves twice and kills itself at the system call NUMBER of the second save.
"""

import hashlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import UserMistake
from pipeline.state_envelope import StateContent
from pipeline.state_file import FileStateStore

KIND = "cursor"
#: What a save does on the disk, in order; ``die-at`` counts them from 0.
CALLS = ("open", "fsync", "replace", "open", "fsync")


class Numbered(StateContent, frozen=True, kw_only=True):
    """``filler`` follows from ``number`` alone, so that a mixture of two contents shows."""

    number: int
    filler: str


def numbered(number: int) -> Numbered:
    """The content of a save; of a length that varies from none to some hundred thousand characters."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Numbered(number=number, filler=digest * (int(digest[:4], 16) % 5000))


def main(job: str, folder: str, number: str = "0") -> None:
    """Runs one job; a user's mistake is one line on standard error and exit code 2."""
    try:
        store = FileStateStore(Path(folder), lambda: datetime.now(UTC))
    except UserMistake as mistake:
        sys.exit(f"{mistake}")
    if job == "hold":
        _tell("held")
        time.sleep(600)
    elif job == "save":
        last = store.load(KIND, Numbered)
        for each in itertools.count(last.number + 1 if last else 1):
            store.save(KIND, numbered(each))
            _tell(str(each))
    else:
        store.save(KIND, numbered(1))
        _die_at_call(int(number))
        store.save(KIND, numbered(2))


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _die_at_call(number: int) -> None:
    calls = itertools.count()

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def die_or_call(*arguments: Any, **more: Any) -> Any:
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **more)

        return die_or_call

    for name in set(CALLS):
        setattr(os, name, dying(getattr(os, name)))


if __name__ == "__main__":
    main(*sys.argv[1:])
