"""Which dead letters a command is about."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.dead_letters.letter import DeadLetter
from pipeline.dead_letters.look import Look
from pipeline.dead_letters.words import told_duration
from pipeline.hostile_text import one_line
from pipeline.sqs_rules import BATCH_ENTRIES

#: Characters of a user's text that is told back.
_TOLD = 80


@dataclass(frozen=True, slots=True)
class Selection:
    """What every chosen message must be. Empty texts and None are no condition; ages are in seconds."""

    reason: str = ""
    service: str = ""
    older_than: float | None = None
    newer_than: float | None = None

    @property
    def is_everything(self) -> bool:
        """Whether there is no condition."""
        return self == EVERYTHING

    def chooses(self, letter: DeadLetter, now: float) -> bool:
        """Whether the message is one of them, at this time (UNIX seconds).

        ``reason`` may stand anywhere in the message's reason, in small or large letters; ``service`` is its whole name.
        """
        age = now - letter.sent_at
        return (
            self.reason.casefold() in letter.reason.casefold()
            and self.service in ("", letter.service)
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )

    def __str__(self) -> str:
        conditions = [
            f"with {one_line(self.reason, _TOLD)!r} in the reason" if self.reason else "",
            f"of service {one_line(self.service, _TOLD)!r}" if self.service else "",
            "" if self.older_than is None else f"older than {told_duration(self.older_than)}",
            "" if self.newer_than is None else f"newer than {told_duration(self.newer_than)}",
        ]
        return ", ".join(filter(None, conditions))


EVERYTHING = Selection()


class Chosen:
    """The chosen messages of one pass, at most ``limit``. ``count`` tells how many there were so far.

    ``started_at`` is the server's clock at the run's start, in whole seconds. Messages of a later second are not
    chosen: what is redriven and fails again comes back with a later time, and would go round and round within one run.
    """

    def __init__(self, look: Look, selection: Selection, started_at: float, limit: int | None) -> None:
        self._look = look
        self._selection = selection
        self._started_at = started_at
        self._limit = limit
        self.count = 0

    def batches(self, size: int = BATCH_ENTRIES) -> Iterator[list[DeadLetter]]:
        """Up to ``size`` (1 to 10) chosen messages of each receive, which may be none. Raises botocore's errors."""
        if self._limit == 0:
            return
        for letters in self._look.batches(size):
            chosen = [letter for letter in letters if self._chooses(letter)]
            if self._limit is not None:
                chosen = chosen[: self._limit - self.count]
            self.count += len(chosen)
            yield chosen
            if self._limit is not None and self.count >= self._limit:
                return

    def _chooses(self, letter: DeadLetter) -> bool:
        # its clock tells whole seconds, rounded down
        return letter.sent_at < self._started_at + 1 and self._selection.chooses(letter, self._started_at)
