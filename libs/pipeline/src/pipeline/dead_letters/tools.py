"""What every command works with, handed in by whoever starts it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from pipeline.dead_letters.interruption import Interruption
from pipeline.dead_letters.look import Look
from pipeline.dead_letters.progress import Progress, progress_on
from pipeline.dead_letters.queues import Queue, Queues
from pipeline.dead_letters.tries import Tries

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Terminal:
    """The three streams of a program. Results go to ``out``; questions, progress and remarks to ``err``."""

    in_: TextIO
    out: TextIO
    err: TextIO

    def say(self, line: str) -> None:
        """A result."""
        self.out.write(f"{line}\n")

    def remark(self, line: str) -> None:
        """What is no result."""
        self.err.write(f"{line}\n")
        self.err.flush()


@dataclass(frozen=True)
class Tools:
    """``clock`` gives seconds from anywhere, for waits; ``sleep`` waits whatever signals come."""

    sqs: "SQSClient"
    tries: Tries
    queues: Queues
    interruption: Interruption
    terminal: Terminal
    clock: Callable[[], float]
    sleep: Callable[[float], object]

    def look_at(self, queue: Queue, visibility: int | None) -> Look:
        """A pass over this queue."""
        return Look(self.sqs, self.tries, queue, self.interruption, self.clock, visibility)

    def progress(self, what: str, total: int) -> Progress:
        """Shown beside the results."""
        return progress_on(self.terminal.err, what, total, self.clock)

    def end(self, look: Look) -> None:
        """Gives back what the pass still holds, and says so where that takes its time or fails."""
        if look.held > _MANY:
            self.terminal.remark(
                f"making {look.held:,} messages visible again"
                f" (Ctrl-C leaves that to the queue: within {look.visibility} s)"
            )
        if left := look.give_back():
            self.terminal.remark(
                f"{left:,} messages could not be made visible again: they are within {look.visibility} s"
            )


#: Messages beyond which giving back takes more than a moment.
_MANY = 2000
