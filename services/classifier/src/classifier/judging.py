"""Puts together what judges: the lines to the endpoints, the desk before them, and the callers between."""

import random
import threading
import time
from collections.abc import Callable, Sequence

from classifier.batch_size import BatchSize
from classifier.caller import Caller, Settles
from classifier.desk import Desk
from classifier.endpoint import READ_TIMEOUT, ModelEndpoint
from classifier.judgement_cache import JudgementCache
from classifier.labels import Labels
from classifier.line import Line
from classifier.metrics import Metrics
from classifier.patience import Patience
from classifier.settings import EndpointSettings
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.connection_state import ConnectionState
from pipeline.errors import UserMistake

#: Calls of an endpoint that fail one after the other, whoever made them, before only probes are made.
_FAILURES_THAT_OPEN = 3
#: Seconds between two tries at first, and at most.
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
#: Calls at once beside those of the callers: each endpoint's prober.
_PROBERS = 2


class Judging:
    """All of it, from a case that is submitted to ``desk`` to its answer. ``callers`` make the loops that work.

    Raises UserMistake for settings that contradict each other.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        labels: Labels,
        metrics: Metrics,
        rng: random.Random,
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._rng = rng
        self._stopping = stopping
        self._size = BatchSize(settings.batch_texts, settings.batch_pairs)
        self.lines = self._lines(metrics)
        cache = JudgementCache(settings.cache_mb * 1024 * 1024, settings.cache_seconds, time.monotonic)
        self.desk = Desk(labels, self._size, cache, settings.model, metrics, settings.batch_wait_seconds)
        metrics.cache_entries.set_function(lambda: float(len(cache)))
        metrics.batch_size.set_function(lambda: float(self._size.texts))

    def callers(self, outcomes: Settles) -> dict[str, Callable[[], None]]:
        """The loops that call, by name: as many as calls may be under way."""
        callers = [Caller(self.desk, self._patience(), outcomes, self._stopping) for _ in range(self._settings.workers)]
        return {f"caller-{number}": caller.run for number, caller in enumerate(callers, start=1)}

    def probers(self) -> dict[str, Callable[[], None]]:
        """The loops that find out when an endpoint is up, by name. Nobody needs to wait for their end."""
        return {f"prober of {line.endpoint.name}": self._prober(line) for line in self.lines}

    def trouble(self) -> str | None:
        """Why no endpoint can be asked, in one line; None where one can."""
        troubles = [line.state.trouble() for line in self.lines]
        return troubles[0] if all(troubles) else None

    def _patience(self) -> Patience:
        return Patience(self.lines, self._size, self._backoff(), self._stopping)

    def _prober(self, line: Line) -> Callable[[], None]:
        return lambda: line.keep_probing(lambda: line.set_to_probe(self.desk.labels), self._stopping)

    def _lines(self, metrics: Metrics) -> Sequence[Line]:
        settings = self._settings
        _check(settings)
        sagemaker = aws_client(
            "sagemaker-runtime",
            settings.aws_region,
            read_timeout=READ_TIMEOUT,
            connections=settings.workers + _PROBERS,
        )
        models = {settings.endpoint_name: settings.model}
        if settings.fallback_endpoint_name:
            models[settings.fallback_endpoint_name] = settings.fallback_model
        lines = []
        for name, model in models.items():
            endpoint = ModelEndpoint(sagemaker, name, model, metrics.of_endpoint(name))
            breaker = Breaker(_FAILURES_THAT_OPEN, self._backoff(), starts_open=True)
            limit = AdaptiveLimit(least=1, most=settings.workers)
            metrics.follow(name, breaker, limit)
            lines.append(Line(endpoint, breaker, limit, ConnectionState(f"model endpoint {name}")))
        return lines

    def _backoff(self) -> Backoff:
        return Backoff(_FIRST_WAIT, _LONGEST_WAIT, self._rng)


def _check(settings: EndpointSettings) -> None:
    fallback = settings.fallback_endpoint_name
    if fallback and fallback == settings.endpoint_name:
        raise UserMistake(
            f"environment: FALLBACK_ENDPOINT_NAME: expected another endpoint than ENDPOINT_NAME, got {fallback!r}"
        )
    if settings.fallback_model_name and not fallback:
        raise UserMistake(
            "environment: FALLBACK_ENDPOINT_NAME: expected the endpoint that has the model of FALLBACK_MODEL_NAME, "
            "got nothing"
        )
