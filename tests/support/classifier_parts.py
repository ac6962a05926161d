"""Parts of classifier for tests: labels, posts and a model that does as it is told, without queues and the network."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from classifier.batch_size import BatchSize
from classifier.cases import Case, Judged
from classifier.desk import Question
from classifier.endpoint import ModelEndpoint
from classifier.endpoint_errors import ContentRefused
from classifier.judgement_cache import JudgementCache
from classifier.labels import Labels, LabelSet, Scores
from classifier.line import Line
from classifier.patience import Patience
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.alerts_config import AlertsConfig
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.connection_state import ConnectionState
from pipeline.label_config import Label
from tests.support.examples import a_post, received
from tests.support.recorded_stop import RecordedStop

#: What a model says of a call: nothing where it judges it.
Serve = Callable[[Sequence[str]], Exception | None]

HARMLESS = ["Good morning."]


def labels_of(*labels: Label | dict[str, Any], template: str = "It is about {}.") -> Labels:
    """Those of a configuration; without any there is "quake" with 0.5. A label needs only what a test is about."""
    given = labels or ({"name": "quake"},)
    made = [each if isinstance(each, Label) else msgspec.convert({"threshold": 0.5} | each, Label) for each in given]
    return Labels(AlertsConfig(labels=made, channels={}, routes=[], hypothesis_template=template))


def a_case(text: str, id_: str = "1", **post: Any) -> Case:
    """A post that was received with its message."""
    made = a_post(f"x:{id_}", text=text, **post)
    return Case(received(made, id_), made)


def questions(label_set: LabelSet, *texts: str) -> list[Question]:
    """A question for each text, as a batch has them."""
    cases = [a_case(text, str(number)) for number, text in enumerate(texts)]
    return [Question((case.says, label_set.id), case, 0.0) for case in cases]


def score(text: str) -> float:
    """What ScriptedModel gives a text for every candidate."""
    return min(1.0, len(text) / 100)


class ScriptedModel(ModelEndpoint):
    """Serves by a function, and keeps books of its own: what was asked, and how much at a time."""

    def __init__(self, serve: Serve = lambda _texts: None, name: str = "minilm") -> None:
        self.serve = serve
        self.name = self.model = name
        self.calls: list[list[str]] = []
        self.label_sets: list[LabelSet] = []
        self.last_asked: LabelSet | None = None
        self.under_way = 0
        self.most_under_way = 0
        self.has_forgotten = 0
        self._lock = threading.Lock()

    def classify(self, texts: Sequence[str], label_set: LabelSet) -> list[Scores]:
        with self._lock:
            self.calls.append(list(texts))
            self.label_sets.append(label_set)
            self.last_asked = label_set
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            error = self.serve(texts)
        finally:
            with self._lock:
                self.under_way -= 1
        if error:
            raise error
        return [[score(text) for _ in label_set.candidates] for text in texts]

    def forget_what_it_reads(self) -> None:
        self.has_forgotten += 1


def one_after_the_other(*outcomes: Exception | None) -> Serve:
    """The outcome of each call; of all further ones the last."""
    left = list(outcomes)
    return lambda _texts: left.pop(0) if len(left) > 1 else left[0]


def whenever(text: str, error: Exception) -> Serve:
    """Fails at this text alone."""
    return lambda texts: error if text in texts else None


class Lines:
    """Callers' ways to one or more models. With a RecordedStop only waits move the clock, and they last no time.

    Each line is up from the start unless ``starts_open``. Its prober takes a step whenever a caller waits, unless
    ``stopping`` is a real event: then ``start_probers`` starts the threads.
    """

    def __init__(
        self,
        *models: ScriptedModel,
        failures: int = 3,
        most: int = 4,
        wait: float = 0.5,
        stopping: threading.Event | None = None,
        starts_open: bool = False,
        most_texts: int = 32,
    ) -> None:
        self.stopping = stopping or ProbingStop(self)
        self.labels = labels_of()
        self.size = BatchSize(most_texts, 100_000)
        self._wait = wait
        self._rng = random.Random(1)
        self.lines = [self._line(model, failures, most, starts_open) for model in models]
        self.first = self.lines[0]

    def patience(self) -> Patience:
        """One caller's way."""
        return Patience(self.lines, self.size, self._backoff(), self.stopping, self.clock)

    def judge(self, *texts: str, patience: Patience | None = None) -> dict[str, Judged | ContentRefused]:
        """What becomes of each text."""
        label_set = self.labels.everything
        told: dict[str, Judged | ContentRefused] = {}
        for asked, answers in (patience or self.patience()).judge(questions(label_set, *texts), label_set):
            assert not told.keys() & {question.text for question in asked}
            told.update(zip((question.text for question in asked), answers, strict=True))
        return told

    def clock(self) -> float:
        """Seconds, of which only waits make any with a RecordedStop."""
        return sum(self.waits) if isinstance(self.stopping, RecordedStop) else time.monotonic()

    @property
    def waits(self) -> list[float]:
        """All waits so far."""
        assert isinstance(self.stopping, RecordedStop)
        return self.stopping.waits

    def stop_after(self, waits: int) -> None:
        """The service is to stop with so many waits from now on, and not before."""
        assert isinstance(self.stopping, ProbingStop)
        self.stopping.clear()
        self.stopping.last = len(self.waits) + waits

    def probe(self) -> None:
        """One step of each prober, as far as its wait is over."""
        for line in self.lines:
            if line.is_up:
                continue
            permit = line.breaker.permit_now()
            if permit:
                line.probe_once(permit, self.labels.everything)

    def start_probers(self) -> list[threading.Thread]:
        """The probers in threads of their own, for a stopping event that is a real one."""
        threads = [
            threading.Thread(
                target=line.keep_probing, args=(lambda: self.labels.everything, self.stopping), daemon=True
            )
            for line in self.lines
        ]
        for thread in threads:
            thread.start()
        return threads

    def _line(self, model: ScriptedModel, failures: int, most: int, starts_open: bool) -> Line:
        breaker = Breaker(failures, self._backoff(), self.clock, starts_open=starts_open)
        return Line(model, breaker, AdaptiveLimit(1, most), ConnectionState(f"model endpoint {model.name}"))

    def _backoff(self) -> Backoff:
        return Backoff(self._wait, 60 * self._wait, self._rng)


class ProbingStop(RecordedStop):
    """Waits last no time, and in each of them the probers take a step, as they would in their threads."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(ends_after=1_000_000)
        self.last = 5000
        self._lines = lines

    def wait(self, timeout: float | None = None) -> bool:
        super().wait(timeout)
        if len(self.waits) >= self.last:
            self.set()
        if not self.is_set():
            self._lines.probe()
        return self.is_set()


def a_cache(
    seconds: float = 3600.0, max_bytes: int = 1_000_000, clock: Callable[[], float] = lambda: 0.0
) -> JudgementCache:
    """A cache whose clock stands still unless one is given."""
    return JudgementCache(max_bytes, seconds, clock)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """A metric's value, 0 where it was never set."""
    return registry.get_sample_value(name, labels) or 0.0
