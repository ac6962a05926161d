"""The state machine: whatever can happen to two services that read posts and write alerts, in any order."""

import random
from collections.abc import Callable
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.properties.books import ALERTS, DEAD_LETTERS, POSTS
from tests.properties.posts import Kind
from tests.properties.service import Bounds, Parts, Service
from tests.properties.threads import Threads
from tests.properties.world import World
from tests.support.strict_sqs import ExpiredReceipts
from tests.support.strict_sqs.faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    REQUEST_THROTTLED,
    SERVICE_UNAVAILABLE,
    THROTTLING,
    EntryFails,
    Fault,
    LosesAnswer,
    NeverArrives,
    Receives,
)

QUEUES = (POSTS, ALERTS, DEAD_LETTERS)
_OPERATIONS = (
    "ReceiveMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "SendMessageBatch",
    "SendMessage",
)
_CALL_FAULTS = (
    NeverArrives(),
    LosesAnswer(),
    LosesAnswer(by_silence=True),
    INTERNAL_ERROR,
    SERVICE_UNAVAILABLE,
    REQUEST_THROTTLED,
    THROTTLING,
    ACCESS_DENIED,
    EXPIRED_TOKEN,
)
_ENTRY_FAULTS = (
    EntryFails(),
    EntryFails(happened=True),
    EntryFails("ThrottlingException", sender_fault=True),
)
_RECEIVE_FAULTS = (Receives(nothing=True), Receives(reordered=True), Receives(duplicates=2), Receives(duplicates=10))
_BOUNDS = (
    Bounds(visibility=30, read_messages=10, read_bytes=1_500, write_bytes=1_000),
    Bounds(visibility=60, read_messages=30, read_bytes=4_000_000, write_bytes=64_000_000),
    Bounds(visibility=60, read_messages=60, read_bytes=3_000, write_bytes=400_000),
)
#: The largest poison is rare: to make and to check it takes a hundred times as long.
_KINDS = tuple(kind for kind in Kind if kind is not Kind.FULL_POISON)
#: More than is buffered at a time, and than fits into one batch.
_MANY = ([Kind.ALERT] * 40, [Kind.NOTHING] * 70, [Kind.ALERT, Kind.NOTHING] * 10, [Kind.LARGE_ALERT] * 12)
_MOST_SERVICES = 2
_HOURS = 3600.0
#: How long the threads go on after each event: so many turns, or so many seconds of their clock.
_TURNS = (0, 1, 3, 10, 30, 80)
_SHARE_OF_TURNS = 0.6
_SECONDS = (0.02, 0.3, 1.0, 5.0, 20.0)

seeds = st.integers(0, 2**16)
which = st.integers(0, _MOST_SERVICES - 1)
_kinds = st.lists(st.sampled_from(_KINDS), min_size=1, max_size=12)


class Tally:
    """What was run, for those who want to know."""

    def __init__(self) -> None:
        self.interleavings = 0


def _someone_is(condition: Callable[[Service], bool]) -> Callable[[Any], bool]:
    return lambda machine: any(map(condition, machine.world.alive))


class Interleavings(RuleBasedStateMachine):
    """One example is one interleaving; ``parts`` are the classes under test.

    Rules are what happens to the system. Between them only ``let_run`` and ``let_pass`` give its threads their turns:
    so many, wherever they are then, or so many seconds of their clock. The seed decides whose turn it is, what each
    worker does, and how long each call takes.
    """

    parts = Parts()
    tally = Tally()
    threads: Threads

    @initialize(
        bounds=st.sampled_from(_BOUNDS),
        expired_receipts=st.sampled_from(ExpiredReceipts),
        kinds=_kinds,
        survivors=st.booleans(),
        seed=seeds,
    )
    def begin(
        self, bounds: Bounds, expired_receipts: ExpiredReceipts, kinds: list[Kind], survivors: bool, seed: int
    ) -> None:
        self.tally.interleavings += 1
        self.world = World(bounds, expired_receipts, self.parts, self.threads)
        self.world.start()
        self.world.send(kinds, 0)
        self.steps = 0
        self.survivors = survivors
        self.seed = seed

    @invariant()
    def go_on(self) -> None:
        """After each event the threads go on for a while."""
        self.steps += 1
        rng = random.Random(f"{self.seed} {self.steps}")
        if rng.random() < _SHARE_OF_TURNS:
            self.world.run(60.0, rng.choice(_TURNS), rng.getrandbits(32))
        else:
            self.world.run(rng.choice(_SECONDS), None, rng.getrandbits(32))

    # time

    @rule(turns=st.sampled_from((1, 3, 10, 30, 100)), seed=seeds)
    def let_run(self, turns: int, seed: int) -> None:
        self.world.run(60.0, turns, seed)

    @rule(seconds=st.sampled_from((0.02, 0.5, 5.0, 25.0, 100.0)), seed=seeds)
    def let_pass(self, seconds: float, seed: int) -> None:
        self.world.run(seconds, None, seed)

    @rule(seconds=st.sampled_from((1.0, 20.0, 60.0, 13 * _HOURS)))
    def jump(self, seconds: float) -> None:
        """The whole machine stands still for so long."""
        self.world.jump(seconds)

    # posts

    @rule(kinds=_kinds, delay=st.sampled_from((0, 0, 0, 7)))
    @precondition(lambda machine: machine.world.is_there(POSTS))
    def send(self, kinds: list[Kind], delay: int) -> None:
        self.world.send(kinds, delay)

    @rule(many=st.sampled_from(_MANY))
    @precondition(lambda machine: machine.world.is_there(POSTS))
    def send_many(self, many: list[Kind]) -> None:
        self.world.send(many, 0)

    @rule()
    @precondition(lambda machine: machine.seed % 8 == 0 and machine.world.is_there(POSTS))
    def send_the_largest(self) -> None:
        self.world.send([Kind.FULL_POISON], 0)

    # processes

    @rule()
    @precondition(lambda machine: len(machine.world.alive) < _MOST_SERVICES)
    def start(self) -> None:
        self.world.start()

    @rule(which=which)
    @precondition(_someone_is(lambda service: not service.holder.stopping))
    def stop(self, which: int) -> None:
        self._service(which).stop()

    @rule(which=which, turns=st.sampled_from((0, 1, 5, 20, 60)))
    @precondition(_someone_is(lambda service: True))
    def kill(self, which: int, turns: int) -> None:
        self._service(which).kill(turns)

    @rule(which=which)
    @precondition(_someone_is(lambda service: not service.process.frozen))
    def freeze(self, which: int) -> None:
        self._service(which).freeze()

    @rule(which=which)
    @precondition(_someone_is(lambda service: service.process.frozen))
    def thaw(self, which: int) -> None:
        self._service(which).thaw()

    @rule(which=which)
    @precondition(_someone_is(lambda service: not service.holder.stopping and not service.wants_pause))
    def pause(self, which: int) -> None:
        self._service(which).pause()

    @rule(which=which)
    @precondition(_someone_is(lambda service: service.wants_pause))
    def resume(self, which: int) -> None:
        self._service(which).pause(False)

    # faults

    @rule(
        operation=st.sampled_from(_OPERATIONS),
        fault=st.sampled_from(_CALL_FAULTS),
        times=st.sampled_from((1, 1, 2, 5, 20)),
    )
    def calls_fail(self, operation: str, fault: Fault, times: int) -> None:
        self.world.faults.on(operation, fault, times=times)

    @rule(
        operation=st.sampled_from(_OPERATIONS),
        fault=st.sampled_from(_ENTRY_FAULTS),
        times=st.sampled_from((1, 2, 10, 40)),
        probability=st.sampled_from((1.0, 0.3)),
    )
    def entries_fail(self, operation: str, fault: EntryFails, times: int, probability: float) -> None:
        self.world.faults.on_entries(operation, fault, times=times, probability=probability)

    @rule(fault=st.sampled_from(_RECEIVE_FAULTS), times=st.sampled_from((1, 2, 5)))
    def receives_are_odd(self, fault: Receives, times: int) -> None:
        self.world.faults.on("ReceiveMessage", fault, times=times)

    @rule(probability=st.sampled_from((0.0, 0.5)))
    def messages_turn_visible_late(self, probability: float) -> None:
        self.world.faults.late_visibility = probability

    @rule(queue=st.sampled_from(QUEUES))
    def queue_vanishes_or_returns(self, queue: str) -> None:
        if self.world.is_there(queue):
            self.world.vanish(queue)
        else:
            self.world.bring_back(queue)

    @rule()
    @precondition(lambda machine: machine.world.is_there(POSTS))
    def purge(self) -> None:
        self.world.purge_posts()

    @rule()
    def outage(self) -> None:
        self.world.faults.outage = not self.world.faults.outage

    @rule()
    @precondition(lambda machine: machine.world.troubled)
    def faults_end(self) -> None:
        self.world.end_faults()

    def teardown(self) -> None:
        try:
            if not self.world.failed:
                self.world.finish(survivors=self.survivors, seed=self.seed)
        finally:
            if self.world.failed:
                note(self.world.story())
            self.world.end()

    def _service(self, which: int) -> Service:
        alive = self.world.alive
        return alive[which % len(alive)]


def interleavings(parts: Parts, tally: Tally, threads: Threads) -> type[Interleavings]:
    """The machine for these parts."""
    return type("Interleavings", (Interleavings,), {"parts": parts, "tally": tally, "threads": threads})
