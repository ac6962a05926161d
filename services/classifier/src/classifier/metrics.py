"""What classifier counts."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.breaker import Breaker, BreakerState


class Metrics:
    """One instance for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.posts_judged = Counter(
            "classifier_posts_judged",
            "Posts that were judged, by outcome",
            ["source", "outcome"],
            registry=registry,
        )
        self.labels_passed = Counter(
            "classifier_labels_passed", "Posts that passed a label's threshold", ["source", "label"], registry=registry
        )
        self.labels_vetoed = Counter(
            "classifier_labels_vetoed",
            "Posts that reached a label's threshold and were kept back by a competing label",
            ["source", "label"],
            registry=registry,
        )
        self.judgement_delay = Histogram(
            "classifier_judgement_delay_seconds",
            "From a post's arrival at stream-getter to its judgement",
            buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
            registry=registry,
        )
        self.answers = AnswerMetrics(registry)
        self.cache_entries = Gauge("classifier_cache_entries", "Texts whose judgement is kept", registry=registry)
        self.posts_in_hand = Gauge(
            "classifier_posts_in_hand", "Posts that were received and are not settled yet", registry=registry
        )
        self.batch_size = Gauge(
            "classifier_endpoint_batch_size_limit",
            "Texts that a call of the model endpoint may have at this moment",
            registry=registry,
        )
        self._endpoint_calls = Counter(
            "classifier_endpoint_calls",
            "Calls of a model endpoint, by outcome",
            ["endpoint", "outcome"],
            registry=registry,
        )
        self._endpoint_seconds = Histogram(
            "classifier_endpoint_seconds",
            "Duration of one call of a model endpoint",
            ["endpoint"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
            registry=registry,
        )
        self._endpoint_texts = Histogram(
            "classifier_endpoint_texts",
            "Texts in one call of a model endpoint",
            ["endpoint"],
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=registry,
        )
        self._endpoint_breaker = Gauge(
            "classifier_endpoint_breaker",
            "The state that an endpoint's circuit breaker is in is 1, the others are 0",
            ["endpoint", "state"],
            registry=registry,
        )
        self._endpoint_calls_limit = Gauge(
            "classifier_endpoint_calls_limit",
            "Calls of a model endpoint that may be under way at once",
            ["endpoint"],
            registry=registry,
        )

    def of_endpoint(self, name: str) -> "EndpointMetrics":
        """Those of one endpoint."""
        # a first failure must count in rate(), which does not see a series' first value
        for outcome in (
            "ok",
            "EndpointBusy",
            "EndpointUnavailable",
            "EndpointFailed",
            "EndpointTooSlow",
            "ContentRefused",
        ):
            self._endpoint_calls.labels(name, outcome)
        return EndpointMetrics(
            lambda outcome: self._endpoint_calls.labels(name, outcome).inc(),
            self._endpoint_seconds.labels(name),
            self._endpoint_texts.labels(name),
        )

    def follow(self, name: str, breaker: Breaker, limit: AdaptiveLimit) -> None:
        """Shows these two of an endpoint from now on."""

        def show(state: BreakerState) -> None:
            for each in BreakerState:
                self._endpoint_breaker.labels(name, each).set(each is state)

        self._endpoint_calls_limit.labels(name).set_function(lambda: float(limit.limit))
        breaker.listen(show)


class AnswerMetrics:
    """How posts came by their judgement. All but ``by_model`` cost the model nothing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        answers = Counter(
            "classifier_answers",
            "Posts that were answered, by how: model, shared (with one that says the same), cache, unasked",
            ["by"],
            registry=registry,
        )
        self.by_model = answers.labels("model")
        self.shared = answers.labels("shared")
        self.cached = answers.labels("cache")
        self.unasked = answers.labels("unasked")


class EndpointMetrics:
    """What one endpoint counts of its calls."""

    def __init__(self, count: Callable[[str], None], seconds: Histogram, texts: Histogram) -> None:
        self._count = count
        self._seconds = seconds
        self._texts = texts

    def answered(self, texts: int, seconds: float) -> None:
        """A call about so many texts was answered after so many seconds."""
        self._count("ok")
        self._seconds.observe(seconds)
        self._texts.observe(texts)

    def failed(self, error: Exception) -> None:
        """A call ended by this error."""
        self._count(type(error).__name__)
