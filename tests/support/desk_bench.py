"""A desk whose clock only the test moves."""

from prometheus_client import CollectorRegistry

from classifier.batch_size import BatchSize
from classifier.cases import Case, Judged
from classifier.desk import Batch, Desk
from classifier.judgement_cache import JudgementCache
from classifier.labels import Labels
from classifier.metrics import Metrics
from tests.support.classifier_parts import labels_of, value

MODEL = "minilm"
WAIT = 0.5


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """``desk`` and what it is made of. Its model is MODEL, and a question waits WAIT seconds for company."""

    def __init__(
        self, labels: Labels | None = None, most: int = 4, most_pairs: int = 1000, cache_bytes: int = 1_000_000
    ) -> None:
        self.clock = Clock()
        self.registry = CollectorRegistry()
        self.labels = labels or labels_of()
        self.size = BatchSize(most, most_pairs)
        self.cache = JudgementCache(cache_bytes, 3600.0, self.clock)
        self.desk = Desk(self.labels, self.size, self.cache, MODEL, Metrics(self.registry), WAIT, self.clock)

    def submit(self, *cases: Case) -> None:
        """Such as nobody has answered yet."""
        assert self.desk.submit(cases) == []

    def take(self) -> Batch:
        """What is due now, or would be in a while."""
        self.clock.now += WAIT
        batch = self.desk.take(0.0)
        assert batch, "nothing waits"
        return batch

    def nothing_waits(self) -> bool:
        self.clock.now += WAIT
        return self.desk.take(0.0) is None

    def answers(self, by: str) -> float:
        return value(self.registry, "classifier_answers_total", by=by)


def texts(batch: Batch) -> list[str]:
    return [question.text for question in batch.questions]


def judged(by: float = 0.9, model: str = MODEL) -> Judged:
    return Judged([by], model)
