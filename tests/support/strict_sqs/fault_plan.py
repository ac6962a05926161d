"""Which call meets which fault. Every decision comes from the plan's random numbers, so that a run can be repeated."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tests.support.strict_sqs.call import Call
from tests.support.strict_sqs.faults import (
    ANY,
    INTERNAL_ERROR,
    REQUEST_THROTTLED,
    EntryFails,
    Fault,
    LosesAnswer,
    NeverArrives,
    Receives,
)

#: The milliseconds by which a message turns visible too late at most.
_LATEST_MS = 1000
Effect = TypeVar("Effect")


@dataclass
class _Rule(Generic[Effect]):
    """Answers for up to ``times`` calls that it is for (None: all), after it let ``skip`` of them pass."""

    is_for: Callable[[Call, Mapping[str, Any]], bool]
    effect: Effect
    times: int | None
    skip: int
    probability: float

    def decide(self, call: Call, entry: Mapping[str, Any], rng: random.Random) -> Effect | None:
        if self.times == 0 or not self.is_for(call, entry):
            return None
        if self.skip > 0:
            self.skip -= 1
            return None
        if self.probability < 1.0 and rng.random() >= self.probability:
            return None
        if self.times is not None:
            self.times -= 1
        return self.effect


@dataclass(frozen=True)
class FaultRates:
    """Probabilities from 0 to 1: of each call, of each receive, and of each entry of a batch."""

    never_arrives: float = 0.0
    throttled: float = 0.0
    internal_error: float = 0.0
    answer_lost: float = 0.0
    answer_too_late: float = 0.0
    receives_nothing: float = 0.0
    reordered: float = 0.0
    duplicated: float = 0.0
    entry_fails: float = 0.0
    entry_fails_though_done: float = 0.0
    late_visibility: float = 0.0


class FaultPlan:
    """Rules are asked in the order in which they were made; the first that has a fault decides. Safe for threads.

    ``outage`` lets no call arrive. ``late_visibility`` is the probability that a message turns visible up to a
    second later than it should (delays, timeouts). A ``where`` must not call the stand-in.
    """

    def __init__(self, rng: random.Random) -> None:
        self.outage = False
        self.late_visibility = 0.0
        self._rng = rng
        self._lock = threading.Lock()
        self._of_calls: list[_Rule[Fault]] = []
        self._of_entries: list[_Rule[EntryFails]] = []

    def on(
        self,
        operation: str,
        fault: Fault,
        *,
        queue: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        probability: float = 1.0,
        where: Callable[[Mapping[str, Any]], bool] = lambda _request: True,
    ) -> None:
        """Plans a fault for calls of one operation, or of ANY; ``where`` is asked about the request."""

        def is_for(call: Call, _entry: Mapping[str, Any]) -> bool:
            return operation in {ANY, call.operation} and queue in {None, call.queue} and where(call.request)

        with self._lock:
            self._of_calls.append(_Rule(is_for, fault, times, skip, probability))

    def on_entries(
        self,
        operation: str,
        failure: EntryFails,
        *,
        queue: str | None = None,
        times: int | None = 1,
        skip: int = 0,
        probability: float = 1.0,
        where: Callable[[Mapping[str, Any]], bool] = lambda _entry: True,
    ) -> None:
        """Plans a failure for entries of a batch operation, or of ANY; ``where`` is asked about the entry."""

        def is_for(call: Call, entry: Mapping[str, Any]) -> bool:
            return operation in {ANY, call.operation} and queue in {None, call.queue} and where(entry)

        with self._lock:
            self._of_entries.append(_Rule(is_for, failure, times, skip, probability))

    def at_random(self, rates: FaultRates) -> None:
        """Plans faults of all kinds for all calls to come."""
        for fault, probability in (
            (NeverArrives(), rates.never_arrives),
            (REQUEST_THROTTLED, rates.throttled),
            (INTERNAL_ERROR, rates.internal_error),
            (LosesAnswer(), rates.answer_lost),
            (LosesAnswer(by_silence=True), rates.answer_too_late),
        ):
            self._on_if_likely(ANY, fault, probability)
        for shape, probability in (
            (Receives(nothing=True), rates.receives_nothing),
            (Receives(reordered=True), rates.reordered),
            (Receives(duplicates=1), rates.duplicated),
        ):
            self._on_if_likely("ReceiveMessage", shape, probability)
        for failure, probability in (
            (EntryFails(), rates.entry_fails),
            (EntryFails(happened=True), rates.entry_fails_though_done),
        ):
            if probability:
                self.on_entries(ANY, failure, times=None, probability=probability)
        self.late_visibility = rates.late_visibility

    def clear(self) -> None:
        """From now on all goes well."""
        with self._lock:
            self._of_calls.clear()
            self._of_entries.clear()
            self.outage = False
            self.late_visibility = 0.0

    @contextmanager
    def out_of_reach(self) -> Iterator[None]:
        """No call arrives within this context."""
        self.outage = True
        try:
            yield
        finally:
            self.outage = False

    def of_call(self, call: Call) -> Fault | None:
        """The fault that this call meets."""
        if self.outage:
            return NeverArrives()
        return self._decide(self._of_calls, call, {}) if self._of_calls else None

    def of_entry(self, call: Call, entry: Mapping[str, Any]) -> EntryFails | None:
        """The failure that this entry of a batch meets."""
        return self._decide(self._of_entries, call, entry) if self._of_entries else None

    def lateness_ms(self) -> int:
        """By how much a message turns visible too late, drawn anew for each."""
        if not self.late_visibility:
            return 0
        with self._lock:
            return self._rng.randint(1, _LATEST_MS) if self._rng.random() < self.late_visibility else 0

    def shuffle(self, items: list[Any]) -> None:
        """Orders at random."""
        with self._lock:
            self._rng.shuffle(items)

    def _on_if_likely(self, operation: str, fault: Fault, probability: float) -> None:
        if probability:
            self.on(operation, fault, times=None, probability=probability)

    def _decide(self, rules: list[_Rule[Effect]], call: Call, entry: Mapping[str, Any]) -> Effect | None:
        with self._lock:
            return next((effect for rule in rules if (effect := rule.decide(call, entry, self._rng))), None)
