"""What classifier counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.breaker import Breaker, BreakerState


class Metrics:
    """One instance for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.posts_judged = Counter(
            "classifier_posts_judged",
            "Posts that the model has scored, by outcome",
            ["source", "outcome"],
            registry=registry,
        )
        self.labels_passed = Counter(
            "classifier_labels_passed", "Posts that passed a label's threshold", ["source", "label"], registry=registry
        )
        self.judgement_delay = Histogram(
            "classifier_judgement_delay_seconds",
            "From a post's arrival at stream-getter to its judgement",
            buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
            registry=registry,
        )
        self.endpoint_calls = Counter(
            "classifier_endpoint_calls",
            "Calls of the model endpoint, by outcome",
            ["outcome"],
            registry=registry,
        )
        self.endpoint_seconds = Histogram(
            "classifier_endpoint_seconds",
            "Duration of one call of the model endpoint",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
            registry=registry,
        )
        self.endpoint_texts = Histogram(
            "classifier_endpoint_texts",
            "Texts in one call of the model endpoint",
            buckets=(1, 2, 5, 10, 20, 50, 100),
            registry=registry,
        )
        self.endpoint_breaker = Gauge(
            "classifier_endpoint_breaker",
            "The state that the endpoint's circuit breaker is in is 1, the others are 0",
            ["state"],
            registry=registry,
        )
        self.endpoint_calls_limit = Gauge(
            "classifier_endpoint_calls_limit",
            "Calls of the model endpoint that may be under way at once",
            registry=registry,
        )
        # a first failure must count in rate(), which does not see a series' first value
        for outcome in ("ok", "EndpointBusy", "EndpointUnavailable", "ContentRefused"):
            self.endpoint_calls.labels(outcome)

    def follow(self, breaker: Breaker, limit: AdaptiveLimit) -> None:
        """Shows these two from now on."""
        self.endpoint_calls_limit.set_function(lambda: float(limit.limit))
        breaker.listen(self._show)

    def _show(self, state: BreakerState) -> None:
        for each in BreakerState:
            self.endpoint_breaker.labels(each).set(each is state)
