"""Which queues there are: made, deleted, vanished for a while, and found by name or ARN."""

import re
import threading
from collections.abc import Callable, Mapping

from tests.support.strict_sqs.clock import Clock
from tests.support.strict_sqs.errors import SqsError, invalid_parameter, invalid_value, queue_does_not_exist
from tests.support.strict_sqs.ledger import What
from tests.support.strict_sqs.limits import SECOND_MS, Limits
from tests.support.strict_sqs.queue import Queue
from tests.support.strict_sqs.queue_attributes import Settings, initial_settings

ACCOUNT = "000000000000"
REGION = "us-east-1"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ARN = re.compile(rf"arn:aws:sqs:{REGION}:{ACCOUNT}:[A-Za-z0-9_-]{{1,80}}")


class Registry:
    """Shares its broker's lock, ``changed``. ``drop`` takes all messages out of a queue that goes."""

    def __init__(
        self,
        changed: threading.Condition,
        clock: Clock,
        limits: Limits,
        lateness: Callable[[], int],
        drop: Callable[[Queue, What], None],
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._limits = limits
        self._lateness = lateness
        self._drop = drop
        self._queues: dict[str, Queue] = {}
        self._by_arn: dict[str, Queue] = {}
        self._vanished: dict[str, Queue] = {}
        self._deleted_ms: dict[str, int] = {}
        self._serials = 0

    def queue(self, name: str) -> Queue:
        """Raises SqsError where there is none."""
        try:
            return self._queues[name]
        except KeyError:
            raise queue_does_not_exist() from None

    def by_arn(self, arn: str) -> Queue | None:
        return self._by_arn.get(arn)

    def names(self, prefix: str = "") -> list[str]:
        with self._changed:
            return sorted(name for name in self._queues if name.startswith(prefix))

    def sources_of(self, arn: str) -> list[str]:
        """The names of the queues whose dead letters go to this ARN."""
        with self._changed:
            redrives = [(name, queue.settings.redrive) for name, queue in self._queues.items()]
        return sorted(name for name, redrive in redrives if redrive and redrive.dead_letters_arn == arn)

    def create(self, name: str, attributes: Mapping[str, str]) -> None:
        """Makes a standard queue. One that is there with the same attributes is no error."""
        if name.endswith(".fifo") and attributes.get("FifoQueue") == "true":
            raise SqsError("UnsupportedOperation", "The stand-in has standard queues only.")
        if not _NAME.fullmatch(name):
            raise invalid_parameter(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
            )
        with self._changed:
            now = self._clock.now_ms()
            if name in self._queues:
                if different := self._queues[name].settings.difference(attributes):
                    raise SqsError(
                        "QueueNameExists",
                        "A queue already exists with the same name and a different value for attribute " + different,
                    )
                return
            wait = self._limits.before_recreation
            deleted = self._deleted_ms.get(name)
            if name in self._vanished or (deleted is not None and now < deleted + wait * SECOND_MS):
                raise SqsError(
                    "QueueDeletedRecently",
                    f"You must wait {wait} seconds after deleting a queue before you can create another with the same "
                    "name.",
                )
            settings = initial_settings(attributes)
            self._check_dead_letters(settings)
            self._serials += 1
            arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
            self._put(Queue(name, arn, self._serials, settings, now, self._lateness))

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        with self._changed:
            queue = self.queue(name)
            settings = queue.settings.changed(attributes)
            self._check_dead_letters(settings)
            queue.settings = settings
            queue.modified_ms = self._clock.now_ms()
            # a longer-waiting poll may see more now, and a shorter retention less
            self._changed.notify_all()

    def delete(self, name: str) -> None:
        """Deletes a queue and all that is in it, at once, where SQS takes up to 60 s."""
        with self._changed:
            queue = self.queue(name)
            self._drop(queue, What.DROPPED)
            self._take(name)
            self._deleted_ms[name] = self._clock.now_ms()

    def vanish(self, name: str) -> None:
        """Lets a queue be gone, with its messages, until ``bring_back``."""
        with self._changed:
            self._vanished[name] = self._take(name)

    def bring_back(self, name: str) -> None:
        with self._changed:
            self._put(self._vanished.pop(name))

    def _put(self, queue: Queue) -> None:
        self._queues[queue.name] = self._by_arn[queue.arn] = queue
        self._changed.notify_all()

    def _take(self, name: str) -> Queue:
        queue = self.queue(name)
        del self._queues[name], self._by_arn[queue.arn]
        self._changed.notify_all()
        return queue

    def _check_dead_letters(self, settings: Settings) -> None:
        if not settings.redrive:
            return
        arn = settings.redrive.dead_letters_arn
        if not _ARN.fullmatch(arn) or self.by_arn(arn) is None:
            policy = settings.attributes["RedrivePolicy"]
            raise invalid_value("RedrivePolicy", policy, "Dead letter target does not exist.")
