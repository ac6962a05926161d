"""Which core runs what: the model has one to itself, and everything else shares the others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """Numbers of cores; both sets are empty where the system cannot tie a process to one, or has one only."""

    model: frozenset[int]
    others: frozenset[int]

    @contextmanager
    def for_model(self) -> Iterator[None]:
        """A process that this thread starts meanwhile runs on the model's core, with all its threads."""
        with _tied(self.model):
            yield

    @contextmanager
    def for_others(self) -> Iterator[None]:
        """Meanwhile this thread, and what it starts, leave the model's core alone."""
        with _tied(self.others):
            yield

    def __str__(self) -> str:
        if not self.model:
            return "no core is the model's own: the system has one only, or ties no process to one"
        return f"model on core {min(self.model)}, all else on {len(self.others)} other(s)"


def split_cores() -> Cores:
    """The last core that this process may use is the model's."""
    if not hasattr(os, "sched_getaffinity") or len(allowed := os.sched_getaffinity(0)) < 2:
        return Cores(frozenset(), frozenset())
    return Cores(frozenset({max(allowed)}), frozenset(allowed - {max(allowed)}))


@contextmanager
def _tied(cores: frozenset[int]) -> Iterator[None]:
    if not cores:
        yield
        return
    # inherited at the start: set from outside later, it would be for one thread of the process alone
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
