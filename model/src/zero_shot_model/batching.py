"""Which texts run together: texts of like length, so that little is computed on padding, and in a fair order."""

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

J = TypeVar("J", bound=Hashable)

LENGTH_STEP = 8
"""Lengths are rounded up to multiples of this. OpenVINO keeps memory for every shape it has seen."""

MAX_BATCH_TEXTS = 32
"""Larger batches gain no speed."""

MAX_BATCH_TOKENS = 256
"""Texts times rounded length. On one core larger batches gain no speed either (1,024 tokens: the same to 2 %), and
one of 256 takes some 30 ms: that long a text waits at most until a core is free for it."""


@dataclass(frozen=True, slots=True)
class TokenisedText(Generic[J]):
    """A text that waits to be run. `row`: its place among the texts of its job; `since`: when it came, in seconds."""

    job: J
    row: int
    token_ids: Sequence[int]
    since: float = 0.0


def rounded_length(tokens: int) -> int:
    """`tokens` rounded up to a multiple of LENGTH_STEP."""
    return -(-tokens // LENGTH_STEP) * LENGTH_STEP


class TextQueue(Generic[J]):
    """The texts of all jobs under way. A job is what came together: the texts of one request. Not thread-safe.

    Batches lead by turns with a text of the oldest job and with one of the job that has had the fewest texts run;
    the rest of a batch is filled with texts of the same rounded length, older jobs first. So the oldest job always
    goes on, whatever comes after it, and a single text behind a list of hundreds waits for a batch or two.
    """

    def __init__(self) -> None:
        self._jobs: dict[J, _Job[J]] = {}
        self._oldest_leads = True
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def add(self, texts: Iterable[TokenisedText[J]]) -> None:
        """Texts wait. Jobs are as old as their first texts; one whose texts have all run counts as new."""
        for text in texts:
            self._jobs.setdefault(text.job, _Job()).add(text)
            self._waiting += 1

    def next_batch(self, most: int = MAX_BATCH_TEXTS) -> list[TokenisedText[J]]:
        """The texts to run now, `most` at most: at least one, all of one rounded length. Raises IndexError for none."""
        if not self._jobs:
            raise IndexError("no text waits")
        oldest = next(iter(self._jobs.values()))
        leader = oldest if self._oldest_leads else min(self._jobs.values(), key=lambda job: job.texts_run)
        self._oldest_leads = not self._oldest_leads
        length = leader.length_of_next()
        batch = [leader.take(length)]
        room = min(most, MAX_BATCH_TEXTS, MAX_BATCH_TOKENS // length) - 1
        for job in self._jobs.values():
            while room > 0 and job.has(length):
                batch.append(job.take(length))
                room -= 1
        for text in batch:
            if text.job in self._jobs and not self._jobs[text.job]:
                del self._jobs[text.job]
        self._waiting -= len(batch)
        return batch

    def drop(self, job: J) -> int:
        """Forgets the texts of `job` that wait, and tells how many there were."""
        dropped = self._jobs.pop(job, None)
        count = len(dropped) if dropped is not None else 0
        self._waiting -= count
        return count


class _Job(Generic[J]):
    """The waiting texts of one job, by rounded length."""

    def __init__(self) -> None:
        self.texts_run = 0
        self._by_length: dict[int, deque[TokenisedText[J]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_length.values()))

    def add(self, text: TokenisedText[J]) -> None:
        self._by_length.setdefault(rounded_length(len(text.token_ids)), deque()).append(text)

    def has(self, length: int) -> bool:
        return length in self._by_length

    def take(self, length: int) -> TokenisedText[J]:
        texts = self._by_length[length]
        text = texts.popleft()
        if not texts:
            del self._by_length[length]
        self.texts_run += 1
        return text

    def length_of_next(self) -> int:
        """The rounded length of the text that came first."""
        return min(self._by_length, key=lambda length: self._by_length[length][0].row)
