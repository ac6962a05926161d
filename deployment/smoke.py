"""The command behind `make smoke`: sends one marked post down the road and waits for its notification.

    python -m deployment.smoke [--env ENV] [--timeout SECONDS]

Everything is found by CloudFormation's exports: with --env those of an environment in AWS, without it those of the
compose system. The notification is heard through a queue behind the topic that is made for it and removed in the end.
Whoever is subscribed to the topic gets the post too; its text says that it is a test.

It needs, beside cloudformation:ListExports, these rights: sqs:SendMessage on the posts queue, sqs:GetQueueAttributes on
all six queues, sqs:ReceiveMessage on the dead-letter queues; sqs:CreateQueue, GetQueueUrl, ReceiveMessage and
DeleteQueue on queues named <app>-<environment>-smoke-*; sns:Subscribe, Unsubscribe, GetSubscriptionAttributes and
ListSubscriptionsByTopic; s3:GetObject and ListBucket where there is a bucket.
"""

import argparse
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from deployment.command import exit_with
from deployment.config_in_force import config_in_force
from deployment.environment import APP, Environment, find_environment
from deployment.road_state import READERS, Depth, RoadState, described, suspect
from deployment.smoke_post import label_to_try, smoke_post
from deployment.topic_listener import TopicListener
from pipeline.contracts import Post, encode
from pipeline.errors import UserMistake
from pipeline.label_config import Label

#: Seconds to wait for the notification: a warm road takes two, a serverless endpoint after a pause much of it.
DEFAULT_TIMEOUT = "60"
_LONGEST_TIMEOUT = 3600.0
#: Ctrl-C, a supervisor's request, and a terminal that was closed.
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Exits with 0 when the notification came, with 1 when not, 2 for a mistake, and 130 when it was asked to end."""
    exit_with("smoke", lambda: _main(sys.argv[1:], os.environ))


def _main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    parser = argparse.ArgumentParser(prog="smoke", description="One marked post, and whether its notification comes.")
    parser.add_argument("--env", help="an environment in AWS (default: the compose system)")
    parser.add_argument("--timeout", default=DEFAULT_TIMEOUT, help="seconds to wait (default: %(default)s)")
    options = parser.parse_args(arguments)
    timeout = _seconds(options.timeout)
    environment = find_environment(options.env, environ)
    return SmokeTest(environment, sys.stdout, sys.stderr, time.monotonic, secrets.token_hex(4)).run(timeout)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise UserMistake(f"--timeout: expected seconds above 0, up to {_LONGEST_TIMEOUT:.0f}, got {text!r}")
    return seconds


class SmokeTest:
    """One run. ``token`` marks its post and its queue; steps go to ``output``, a failure's verdict to ``errors``."""

    def __init__(
        self, environment: Environment, output: TextIO, errors: TextIO, clock: Callable[[], float], token: str
    ) -> None:
        self._environment = environment
        self._road = RoadState(environment)
        self._output = output
        self._errors = errors
        self._clock = clock
        self._token = token
        self._sent_at: float | None = None

    def run(self, timeout: float) -> int:
        """The exit code. Raises UserMistake before anything is made, and botocore's errors; nothing is left then."""
        config, place = config_in_force(self._environment)
        label = label_to_try(config, place)
        post = smoke_post(label, config.hypothesis_template, self._token, datetime.now(UTC))
        self._say(f"{self._environment.place}: label {label.name} leads to SNS, says {place}")
        listener = TopicListener(
            self._environment.client("sqs"),
            self._environment.client("sns"),
            self._environment.export("NotificationsTopicArn"),
            f"{APP}-{self._environment.name}-smoke-{self._token}",
            self._clock,
        )
        code = 1
        with _endings_noted() as is_asked_to_end:
            try:
                code = self._send_and_wait(post, label, listener, timeout, is_asked_to_end)
            finally:
                left = listener.close()
                for what in left:
                    self._complain(f"left behind: {what}")
        return 1 if left else code

    def _send_and_wait(
        self,
        post: Post,
        label: Label,
        listener: TopicListener,
        timeout: float,
        is_asked_to_end: Callable[[], bool],
    ) -> int:
        listener.open(post.id)
        self._say(f"queue {listener.queue_name} listens to the topic")
        before = self._road.depths()
        if is_asked_to_end():
            self._complain("stopped before the post was sent")
            return 130
        url = self._environment.export("PostsQueueUrl")
        self._environment.client("sqs").send_message(QueueUrl=url, MessageBody=encode(post))
        self._sent_at = self._clock()
        self._say(f"post {post.id} sent to {url.rpartition('/')[2]}")
        notification = listener.wait_for(post.id, self._sent_at + timeout, is_asked_to_end)
        if notification:
            self._say(f"notification received: {notification.label} {notification.score:.2f}")
            return 0
        if is_asked_to_end():
            self._complain("stopped; the post is under way all the same")
            return 130
        self._say(f"no notification within {timeout:g} s")
        self._explain(post, label, before)
        return 1

    def _explain(self, post: Post, label: Label, before: Mapping[str, Depth]) -> None:
        """Says what the queues tell, and whose logs to read."""
        after = self._road.depths()
        for line in described(before, after, self._road.dead_letter_counts()):
            self._say(line)
        if letter := self._road.dead_letter_of(post.id):
            service = letter.service or READERS[letter.queue]
            self._say(f"the post is a dead letter of the {letter.queue} queue: {letter.reason}")
            verdict = f"{service} gave the post up"
        elif queue := suspect(before, after):
            service = READERS[queue]
            verdict = f"the post most likely waits in the {queue} queue, and goes on once {service} receives it"
        else:
            service = "classifier"
            verdict = f"nothing waits, so the model has most likely scored {label.name} below {label.threshold:g}"
        self._complain(f"{verdict}: {self._environment.logs_command(service)}")

    def _say(self, text: str) -> None:
        """A step, with the seconds since the post was sent."""
        at = "" if self._sent_at is None else f"{self._clock() - self._sent_at:.1f} s"
        self._output.write(f"{at:>8}  {text}\n")
        self._output.flush()

    def _complain(self, text: str) -> None:
        self._errors.write(f"smoke: {text}\n")


@contextmanager
def _endings_noted() -> Iterator[Callable[[], bool]]:
    """Until its end a signal interrupts nothing: what is being made is known, and what was made is removed.

    Gives a function that tells whether there was one.
    """
    noted: list[int] = []
    before = {number: signal.signal(number, lambda number, _frame: noted.append(number)) for number in _ENDINGS}
    try:
        yield lambda: bool(noted)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
