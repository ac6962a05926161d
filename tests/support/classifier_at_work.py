"""classifier from its reader to its writer, with threads as it has them, between fakes and before scripted models."""

import threading
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from classifier.caller import Caller
from classifier.desk import Desk
from classifier.in_hand import InHand
from classifier.intake import Intake, pause_while_none_is_up
from classifier.judgement_cache import JudgementCache
from classifier.labels import Labels
from classifier.metrics import Metrics
from classifier.outcomes import Outcomes
from pipeline.contracts import Alert, decode_alert_or_notice
from pipeline.queue_reader import ReceivedMessage
from tests.support.classifier_parts import Lines, ScriptedModel
from tests.support.examples import NOW
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.polling import wait_until


class PatientReader(FakeReader):
    """Has nothing more once its batches are out, and stops nothing by that."""

    paused: bool | None = None

    def receive(self, limit: int = 10, timeout: float = 5.0) -> list[ReceivedMessage]:
        if self._batches:
            return list(self._batches.pop(0))
        self._fake_stopping.wait(0.005)
        return []

    def arrive(self, *messages: ReceivedMessage) -> None:
        """One more batch."""
        self._batches.append(messages)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


class AtWork:
    """Started at once. ``end`` stops it as the service does, and fails if a thread does not end."""

    def __init__(
        self,
        model: ScriptedModel,
        labels: Labels,
        *batches: Sequence[ReceivedMessage],
        callers: int = 2,
        reader: PatientReader | None = None,
        writer: FakeWriter | None = None,
    ) -> None:
        self.stopping = threading.Event()
        self.model = model
        self.lines = Lines(model, wait=0.001, failures=3, most=callers, starts_open=True, stopping=self.stopping)
        self.lines.labels = labels
        self.reader = reader or PatientReader(self.stopping, *batches)
        self.writer = writer or FakeWriter()
        self.registry = CollectorRegistry()
        metrics = Metrics(self.registry)
        cache = JudgementCache(1_000_000, 60.0, self.lines.clock)
        self.desk = Desk(labels, self.lines.size, cache, model.model, metrics, 0.001)
        self.in_hand = InHand(1000, 10_000_000)
        self.outcomes = Outcomes(self.reader, self.writer, self.in_hand, metrics, lambda: NOW)
        pause_while_none_is_up(self.lines.lines, self.reader)
        intake = Intake(self.reader, self.desk, self.outcomes, self.in_hand, self.lines.lines, self.stopping)
        loops = [intake.run] + [
            Caller(self.desk, self.lines.patience(), self.outcomes, self.stopping).run for _ in range(callers)
        ]
        self._threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
        for thread in self._threads:
            thread.start()
        self.lines.start_probers()

    def change(self, labels: Labels) -> None:
        """A new configuration comes into force."""
        self.lines.labels = labels
        self.outcomes.settle(self.desk.change(labels))

    def settled(self, count: int) -> None:
        """Waits until so many messages are."""
        wait_until(lambda: len(self.reader.settled) >= count, f"{count} messages to be settled")

    def end(self) -> None:
        self.stopping.set()
        self.outcomes.give_back(self.desk.close())
        wait_until(lambda: not any(thread.is_alive() for thread in self._threads), "all threads to end")

    @property
    def alerts(self) -> list[tuple[str, list[str]]]:
        """The ids of the posts with the labels that they passed, in order of the ids."""
        alerts = [decode_alert_or_notice(body) for body in self.writer.bodies]
        return sorted(
            (alert.post.id, [label.name for label in alert.labels]) for alert in alerts if isinstance(alert, Alert)
        )
