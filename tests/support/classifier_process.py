"""classifier as a real process between a strict queue and an endpoint that a test misleads, and the books of both.

What is to become of a post stands in its text: QUIET ones reach no threshold, those with a word of POISON are refused
for good, all others become an alert.
"""

import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from pipeline.contracts import Alert, Post, decode_alert_or_notice, encode
from tests.support.endpoint_stand_in import EndpointStandIn
from tests.support.examples import a_post
from tests.support.polling import wait_until
from tests.support.service_process import CONFIG, Variables, asked, running_services, variables_for
from tests.support.strict_sqs import RealClock, StrictSqs, What
from tests.support.strict_sqs.message import Message

#: Seconds that anything may take that a test waits for.
SECONDS = 60.0
#: Seconds from SIGTERM to the end, as the design has it.
GRACE_SECONDS = 25.0
HARMLESS = "Good morning."
#: The words of the one label, in CONFIG.
LABEL = "flood"
QUIET = "quiet"
POISON = "poison"
#: What stands in the text of every post, and must be in no log.
_OF_ALL = "rain again"
_POSTS_URL = "http://sqs.test/000000000000/posts"


class Fate(StrEnum):
    """What becomes of a post, of which exactly one may hold in the end."""

    ALERT = "alert"
    BELOW_THRESHOLD = "below its thresholds, and deleted"
    DEAD_LETTER = "dead letter"
    IN_QUEUE = "still in the queue"


def by_words(text: str, label: str) -> float:
    """The score of a text: as the label's own words have it, and never for a quiet one."""
    return 0.9 if label == LABEL and QUIET not in text else 0.1


def due(post: Post) -> Fate:
    """What is to become of a post in the end."""
    if POISON in post.text:
        return Fate.DEAD_LETTER
    return Fate.BELOW_THRESHOLD if QUIET in post.text else Fate.ALERT


def numbered(
    numbers: Iterable[int], words: Mapping[int, str] | None = None, *, source: str = "x", **changes: Any
) -> list[Post]:
    """Posts of which no two say the same, and every fifth is quiet. ``words`` are to stand in some.

    Those of another ``source`` say the same under other ids.
    """
    posts = []
    for number in numbers:
        word = (words or {}).get(number) or (QUIET if number % 5 == 4 else "loud")
        posts.append(a_post(f"{source}:{number}", text=f"{number}: {_OF_ALL}, {word}", **changes))
    return posts


class ClassifierProcess:
    """Queues and endpoint are there while its context is open; ``start`` starts the process.

    ``variables`` are settings beside the usual ones, ``module`` what is run, ``rng`` decides on faults of the queues.
    A process that is left is killed.
    """

    def __init__(
        self,
        folder: Path,
        variables: Mapping[str, str] | None = None,
        *,
        config: str = CONFIG,
        module: str = "classifier",
        rng: random.Random | None = None,
    ) -> None:
        self.config = folder / "alerts.yaml"
        self.config.write_text(config)
        self.sqs = StrictSqs(RealClock(), rng or random.Random(1))
        self.sqs.make_queue("posts_dead_letter")
        self.sqs.make_queue("posts", dead_letters="posts_dead_letter")
        self.sqs.make_queue("alerts")
        self.endpoint = EndpointStandIn()
        self.endpoint.score = by_words
        self.sent: dict[str, Post] = {}
        self._folder = folder
        self._module = module
        self._more = dict(variables or {})
        self._endpoints = list(filter(None, ("minilm", self._more.get("FALLBACK_ENDPOINT_NAME"))))
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            parts.enter_context(self.endpoint)
            self.front = parts.enter_context(self.sqs.serve())
            self._run = parts.enter_context(running_services(self._folder))
            usual = variables_for("classifier", self.front.url, self.config, self.endpoint.url)
            self.variables: Variables = usual | self._more
            self._parts = parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    def start(self) -> subprocess.Popen[str]:
        """Starts the process, which is not ready yet."""
        self.process = self._run(self._module, self.variables)
        return self.process

    def start_and_wait(self) -> None:
        """Starts the process, and returns once an endpoint has answered it."""
        self.start()
        self.wait_until(lambda: any(self.is_open(name) is False for name in self._endpoints), "an endpoint's answer")

    def end(self) -> list[dict[str, Any]]:
        """SIGTERM; what it has logged. Raises AssertionError where it does not end with 0 in time, or tells a text."""
        self.assert_running()
        self.process.send_signal(signal.SIGTERM)
        _, stderr = self.process.communicate(timeout=GRACE_SECONDS)
        assert self.process.returncode == 0, stderr
        return self._read_log(stderr)

    def kill(self) -> list[dict[str, Any]]:
        """SIGKILL; what it has logged. What it had received is hidden for a visibility timeout; see ``end_claims``."""
        self.assert_running()
        self.process.kill()
        _, stderr = self.process.communicate()
        # its last poll would be answered to nobody otherwise
        with self.front.unreachable():
            return self._read_log(stderr)

    @staticmethod
    def _read_log(stderr: str) -> list[dict[str, Any]]:
        assert _OF_ALL not in stderr, "the text of a post is in the log"
        return [json.loads(line) for line in stderr.splitlines()]

    def assert_running(self) -> None:
        """Raises AssertionError, with its log, where the process has ended by itself."""
        assert self.process.poll() is None, self.process.communicate()

    def end_claims(self) -> int:
        """What the queue does when a visibility timeout is over, now and for all messages; how many were hidden."""
        receipts = {entry.message_id: entry.detail for entry in self.sqs.ledger.entries(What.DELIVERED, queue="posts")}
        for message in self.hidden():
            self.sqs.client.change_message_visibility(
                QueueUrl=_POSTS_URL, ReceiptHandle=receipts[message.id], VisibilityTimeout=0
            )
        return len(receipts)

    def hidden(self) -> list[Message]:
        """Posts that somebody has received, and that are neither deleted nor visible again."""
        shown = {message.id for message in self.sqs.broker.visible("posts")}
        return [message for message in self.sqs.broker.contents("posts") if message.id not in shown]

    def send(self, posts: Iterable[Post]) -> None:
        """Puts posts into their queue; what is planned for its calls meets these too."""
        for post in posts:
            self.sent[post.id] = post
            self.sqs.client.send_message(QueueUrl=_POSTS_URL, MessageBody=encode(post))

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """All samples, by name and labels; none while the process is not there."""
        response = asked(self.variables, "/metrics")
        families = text_string_to_metric_families(response.text) if response is not None else ()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float | None:
        """One sample; None while it or the process is not there."""
        return self.metrics().get((name, frozenset(labels.items())))

    def is_open(self, endpoint: str = "minilm") -> bool | None:
        """Whether an endpoint's breaker lets no caller call; None where the process does not tell."""
        closed = self.metric("classifier_endpoint_breaker", endpoint=endpoint, state="closed")
        return None if closed is None else closed == 0

    def alerts(self) -> list[Alert]:
        """All so far."""
        alerts = [decode_alert_or_notice(body) for body in self.sqs.bodies("alerts")]
        return [alert for alert in alerts if isinstance(alert, Alert)]

    def dead_letters(self) -> dict[str, str]:
        """The reason of each dead letter, by its post's id."""
        messages = self.sqs.broker.contents("posts_dead_letter")
        return {_post_id(message): message.content.attributes["reason"]["StringValue"] for message in messages}

    def received(self) -> int:
        """Hand-outs of posts so far."""
        return self.sqs.ledger.count(What.DELIVERED, "posts")

    def left(self) -> int:
        """Posts in their queue, visible or not."""
        return len(self.sqs.broker.contents("posts"))

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """Waits as tests.support.polling has it. Raises AssertionError where the process ends by itself."""

        def holds() -> object:
            self.assert_running()
            return condition()

        wait_until(holds, what, seconds)

    def wait_until_settled(self, seconds: float = SECONDS) -> None:
        """Until no post is left in its queue."""
        try:
            self.wait_until(lambda: not self.left(), "all posts to be settled", seconds)
        except TimeoutError as late:
            raise AssertionError(f"{late}: {self.left()} of {len(self.sent)} are left") from late

    def fates(self) -> dict[str, set[Fate]]:
        """What has become of each post that was sent, by the queues' own books."""
        left = Counter(map(_post_id, self.sqs.broker.contents("posts")))
        dead = Counter(map(_post_id, self.sqs.broker.contents("posts_dead_letter")))
        alerted = Counter(alert.post.id for alert in self.alerts())
        assert left.keys() | dead.keys() | alerted.keys() <= self.sent.keys()
        fates = {}
        for id_ in self.sent:
            held = {Fate.IN_QUEUE: left[id_], Fate.DEAD_LETTER: dead[id_], Fate.ALERT: alerted[id_]}
            fates[id_] = {fate for fate, count in held.items() if count} or {Fate.BELOW_THRESHOLD}
        return fates

    def assert_balanced(self, *, some_are_left: bool = False, alerts_may_repeat: bool = False) -> None:
        """Each post that was sent has met the one fate that is due, or waits in its queue. Raises AssertionError."""
        wrong = {
            id_: fates
            for id_, fates in self.fates().items()
            if fates != {due(self.sent[id_])}
            and not (some_are_left and fates == {Fate.IN_QUEUE})
            # its message was still to be deleted when the process was killed
            and not (some_are_left and alerts_may_repeat and fates == {Fate.IN_QUEUE, due(self.sent[id_])})
        }
        reasons = self.dead_letters()
        assert not wrong, [(id_, fates, reasons.get(id_)) for id_, fates in list(wrong.items())[:5]]
        assert self.sqs.ledger.count(What.MOVED) == self.sqs.ledger.count(What.EXPIRED) == 0
        assert self.sqs.disagreements() == {}
        alerts = self.alerts()
        told = Counter(alert.post.id for alert in alerts)
        assert alerts_may_repeat or set(told.values()) <= {1}
        assert all(alert.post == self.sent[alert.post.id] for alert in alerts)

    def assert_received_once(self) -> None:
        """No receive count was burnt. Raises AssertionError."""
        again = self.received_again()
        assert not again, f"received several times: {len(again)} of {len(self.sent)} messages"

    def received_again(self) -> set[str]:
        """The MessageIds of posts that were received several times."""
        received = Counter(entry.message_id for entry in self.sqs.ledger.entries(What.DELIVERED, queue="posts"))
        return {id_ for id_, times in received.items() if times > 1}


def _post_id(message: Message) -> str:
    return str(json.loads(message.content.body)["id"])
