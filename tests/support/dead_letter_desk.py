"""`pipeline dead-letters` in this process, on the strict stand-in of SQS and with a terminal made of strings."""

import io
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, cast

from mypy_boto3_sqs import SQSClient

from pipeline.backoff import Backoff
from pipeline.dead_letters.arguments import options_from
from pipeline.dead_letters.command import execute
from pipeline.dead_letters.interruption import Interruption
from pipeline.dead_letters.queues import Queues
from pipeline.dead_letters.tools import Terminal, Tools
from pipeline.dead_letters.tries import Tries
from pipeline.sqs_rules import string_attributes
from tests.support.strict_sqs import Limits, LongPolls, StrictSqs, VirtualClock

POSTS = "tweet-alerts-local-posts"
POSTS_DEAD = f"{POSTS}-dlq"
URLS = "http://sqs.test/000000000000/"


class FakeTty(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Desk:
    """Where commands are given, with the queues of the local system beside it.

    ``clock`` is the server's; the user's own is ahead of it by ``ahead`` seconds. ``before`` and ``after`` are called
    with the name of each call's method, around what it does. Waits move the clock, and ``waited`` has their seconds.
    """

    def __init__(
        self, *, answer: str | None = None, environ: Mapping[str, str] | None = None, limits: Limits | None = None
    ) -> None:
        self.clock = VirtualClock()
        self.sqs = StrictSqs(self.clock, random.Random(1), long_polls=LongPolls.JUMP, limits=limits)
        for name in ("posts", "alerts", "deliveries"):
            self.make_queues(f"tweet-alerts-local-{name}")
        self.before: Callable[[str], object] = lambda _method: None
        self.after: Callable[[str], object] = lambda _method: None
        self.ahead = 0.0
        self.environ = environ or {}
        self.waited: list[float] = []
        self.terminal = Terminal(
            in_=io.StringIO() if answer is None else FakeTty(answer), out=io.StringIO(), err=io.StringIO()
        )
        self.interruption = Interruption(self.clock, self._sleep)
        self._put = 0

    def make_queues(self, name: str) -> None:
        """A queue, and its dead letters."""
        self.sqs.make_queue(f"{name}-dlq")
        self.sqs.make_queue(name, dead_letters=f"{name}-dlq", most_receives=3)

    def put(self, number: int, reason: str = "not a post: odd", *, age: float = 60, **attributes: str) -> list[str]:
        """So many dead letters of posts, as the classifier sends them, so many seconds ago; their bodies."""
        given = {"reason": reason, "service": "classifier", "source_message_id": "source-1"} | attributes
        bodies = [f"body {self._put + index}" for index in range(number)]
        self._put += number
        for body in bodies:
            self.sqs.client.send_message(
                QueueUrl=URLS + POSTS_DEAD,
                MessageBody=body,
                MessageAttributes=string_attributes({name: value for name, value in given.items() if value}),
            )
        self.clock.advance(age)
        return bodies

    def run(self, *arguments: str) -> int:
        """The exit code of one command; what it says is added to ``out`` and ``err``."""
        options = options_from(["dead-letters", *arguments])
        client = cast(SQSClient, _Client(self))
        rng = random.Random(1)
        tries = Tries(lambda: Backoff(0.2, 3.0, rng), self.interruption.pause)
        queues = Queues(client, tries, self.environ, options.prefix, "us-east-1", lambda: self.clock() + self.ahead)
        return execute(options, Tools(client, tries, queues, self.interruption, self.terminal, self.clock, self._sleep))

    @property
    def out(self) -> str:
        return cast(io.StringIO, self.terminal.out).getvalue()

    @property
    def err(self) -> str:
        return cast(io.StringIO, self.terminal.err).getvalue()

    def dead_letters(self) -> list[str]:
        """The bodies that lie in the dead letters of posts and can be received now."""
        return sorted(self.sqs.visible(POSTS_DEAD))

    def posts(self) -> list[str]:
        """The bodies that lie in the queue of posts."""
        return sorted(self.sqs.bodies(POSTS))

    def _sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.clock.advance(max(seconds, 0.001))  # it knows whole milliseconds


class _Client:
    """The stand-in's client, with the server's clock in its answers as HTTP has it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __getattr__(self, method: str) -> Callable[..., Any]:
        call = getattr(self._desk.sqs.client, method)

        def called(**request: Any) -> Any:
            self._desk.before(method)
            answer = call(**request)
            self._desk.after(method)
            now = datetime.fromtimestamp(int(self._desk.clock()), UTC)
            return answer | {"ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(now, usegmt=True)}}}

        return called
