"""One run of the simulation: the queues, the services, what is done to them, and the end, at which all must balance."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from tests.properties.books import ALERTS, DEAD_LETTERS, POSTS, Books, Broken
from tests.properties.posts import Kind, Post, read_post
from tests.properties.scheduler import Scheduler
from tests.properties.service import Bounds, Parts, Service
from tests.properties.stage import on_stage
from tests.properties.threads import Threads
from tests.properties.worker import Mood
from tests.support.strict_sqs import ExpiredReceipts, FaultPlan, Limits, LongPolls, StrictSqs
from tests.support.strict_sqs.message_rules import accepted_content

#: Seconds from the end of all faults until everything must be done, and those between two looks: the longest waits are
#: those of messages that are tried again later (15 minutes) and of claims that a killed process had (10 minutes).
_LONGEST_END = 3600.0
_LOOK = 5.0
#: Seconds that the services have to stop at last.
_STOP = 40.0
#: Lines of what happened that are shown of a run that failed.
_LINES = 100
_FOURTEEN_DAYS = "1209600"


class _Clock:
    """The scheduler as the stand-in's clock."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def __call__(self) -> float:
        return self._scheduler()

    def now_ms(self) -> int:
        return self._scheduler.now_ms()

    def wait(self, condition: threading.Condition, until_ms: int) -> None:
        condition.wait(max(0, until_ms - self.now_ms()) / 1000)

    def call_when_moved(self, wake: Callable[[], None]) -> None:
        """Its waits have their own deadlines, so that nothing has to be called."""


class World:
    """``end`` must be called at last, whatever has happened."""

    def __init__(self, bounds: Bounds, expired_receipts: ExpiredReceipts, parts: Parts, threads: Threads) -> None:
        self.services: list[Service] = []
        self._bounds = bounds
        self._parts = parts
        self.failed = False
        self.troubled = False
        self._mood = Mood()
        self._vanished: list[str] = []
        self._numbers = itertools.count(1)
        self._puts = itertools.count(1)
        self.scheduler = Scheduler(threads)
        self._stage = ExitStack()
        self.log = self._stage.enter_context(on_stage(self.scheduler))
        self.sqs = StrictSqs(
            _Clock(self.scheduler),
            random.Random(1),
            limits=Limits(between_purges=0),
            long_polls=LongPolls.WAIT,
            expired_receipts=expired_receipts,
        )
        retention: Any = {"MessageRetentionPeriod": _FOURTEEN_DAYS}
        self._urls = {name: self.sqs.make_queue(name, **retention) for name in (DEAD_LETTERS, ALERTS)}
        self._urls[POSTS] = self.sqs.make_queue(POSTS, dead_letters=DEAD_LETTERS, **retention)
        self.books = Books(self.sqs.ledger, self.scheduler.now_ms, bounds.visibility)

    @property
    def alive(self) -> list[Service]:
        return [service for service in self.services if service.alive]

    @property
    def faults(self) -> FaultPlan:
        """For plans of what is to go wrong, until ``end_faults``."""
        self.troubled = True
        return self.sqs.faults

    def is_there(self, queue: str) -> bool:
        return queue not in self._vanished

    def run(self, seconds: float, turns: int | None, seed: int) -> None:
        self.scheduler.rng = random.Random(seed)
        try:
            self.scheduler.run(seconds, turns)
        except BaseException:
            self.failed = True
            raise

    def jump(self, seconds: float) -> None:
        """Time passes, and nobody has a turn: the machine that all run on stands still."""
        for service in self.alive:
            service.stand_still("the machine stood still")
        self.scheduler.jump(seconds)

    def start(self) -> Service:
        service = Service(
            f"process-{len(self.services) + 1}",
            self.sqs,
            self._urls,
            self.scheduler,
            self.books,
            self._bounds,
            self._parts,
            self._puts,
            self._mood,
        )
        self.services.append(service)
        return service

    def send(self, kinds: Iterable[Kind], delay: int) -> None:
        """Sends posts past all faults; their sender is not under test."""
        for kind in kinds:
            post = Post.of(next(self._numbers), kind)
            attributes = {name: {"DataType": "String", "StringValue": value} for name, value in post.attributes.items()}
            content = accepted_content({"MessageBody": post.body, "MessageAttributes": attributes}, 1_048_576)
            self.books.sent(self.sqs.broker.send(POSTS, content, delay).id, post)

    def vanish(self, queue: str) -> None:
        self.sqs.broker.registry.vanish(queue)
        self._vanished.append(queue)
        self.troubled = True

    def bring_back(self, queue: str) -> None:
        self.sqs.broker.registry.bring_back(queue)
        self._vanished.remove(queue)

    def purge_posts(self) -> None:
        self.sqs.broker.purge(POSTS)
        self.books.read()

    def finish(self, *, survivors: bool, seed: int) -> None:
        """Ends all faults, lets everything be done, by those that run or by a new process, and checks the balance."""
        self._end_troubles()
        self._mood.calm = True
        if not survivors:
            self._kill_all()
        if not self.alive or all(service.holder.stopping for service in self.alive):
            self.start()
        deadline = self.scheduler() + _LONGEST_END
        while not self._is_done() and self.scheduler() < deadline:
            self.run(_LOOK, None, seed)
        for service in self.alive:
            service.stop()
        self.run(_STOP, None, seed)
        try:
            self._check_balance()
        except BaseException:
            self.failed = True
            raise

    def story(self) -> str:
        """What the threads did and met at last, line by line."""
        return self.scheduler.story(_LINES)

    def end(self) -> None:
        try:
            self.scheduler.end()
        finally:
            self._stage.close()

    def end_faults(self) -> None:
        """All goes well from now on: with the queues, that is."""
        self.sqs.faults.clear()
        self.troubled = False
        for queue in list(self._vanished):
            self.bring_back(queue)

    def _kill_all(self) -> None:
        """Nobody is there until all claims of the killed have run out."""
        for service in self.alive:
            service.kill()
        self.books.read()
        hidden_until = max((fate.hidden_until_ms for fate in self.books.fates.values()), default=0)
        self.scheduler.jump(max(0.0, hidden_until / 1000 - self.scheduler()))

    def _end_troubles(self) -> None:
        self.end_faults()
        for service in self.alive:
            service.thaw()
            service.process.turns_to_live = None
            service.pause(False)

    def _is_done(self) -> bool:
        self.books.read()
        return not self.sqs.broker.contents(POSTS) and all(service.idle for service in self.alive)

    def _check_balance(self) -> None:
        self.books.read()
        if late := [service.process.name for service in self.alive]:
            raise Broken(f"{late} did not end after the stop")
        for fate in self.books.fates.values():
            if not (fate.lost_by_operator or (fate.deleted and fate.complete)):
                where = "deleted" if fate.deleted else "in the queue still"
                raise Broken(f"post {fate.post.number} ({fate.post.kind}) is {where} and not done: {fate}")
        self._check_letters()
        if differences := self.sqs.disagreements():
            raise Broken(f"the stand-in disagrees with its books: {differences}")

    def _check_letters(self) -> None:
        for letter in self.sqs.broker.contents(DEAD_LETTERS):
            attributes = {name: value["StringValue"] for name, value in letter.content.attributes.items()}
            number, _ = read_post(letter.content.body)
            fate = self.books.fates.get(attributes.get("source_message_id", ""))
            if fate is None or fate.post.number != number:
                raise Broken(f"the dead letter of post {number} names another message: {attributes}")
            if not attributes.get("reason") or attributes.get("service") != "classifier":
                raise Broken(f"the dead letter of post {number} does not say why and whose it is: {attributes}")
