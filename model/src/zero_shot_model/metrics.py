"""What the endpoint tells Prometheus. No label's values depend on what callers send."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_TEXTS = (1, 2, 4, 8, 16, 32)


class EncoderMetrics:
    """How texts run; made once per registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.encoded = Counter(
            "model_encoded_texts", "Texts that became vectors: posts, new labels and examples", registry=registry
        )
        self.dropped = Counter(
            "model_dropped_texts", "Texts that were not run because their caller had gone", registry=registry
        )
        self.waiting = Gauge("model_waiting_texts", "Texts that wait for the model to be free", registry=registry)
        self.queue_seconds = Histogram(
            "model_queue_seconds", "From a text's arrival to its batch", buckets=_SECONDS, registry=registry
        )
        self.inference_seconds = Histogram(
            "model_inference_seconds", "What the model takes for a batch", buckets=_SECONDS, registry=registry
        )
        self.batch_texts = Histogram("model_batch_texts", "Texts of a batch", buckets=_TEXTS, registry=registry)
        self.tokens = Counter("model_tokens", "Tokens that the model ran, without padding", registry=registry)
        self.padding = Counter(
            "model_padding_tokens", "Tokens that it ran because lengths are rounded up", registry=registry
        )

    def batch_began(self, waited: Sequence[float], tokens: int, padding: int) -> None:
        """A batch is run now; `waited`: seconds since each of its texts came."""
        self.batch_texts.observe(len(waited))
        for seconds in waited:
            self.queue_seconds.observe(seconds)
        self.tokens.inc(tokens)
        self.padding.inc(padding)


class RequestMetrics:
    """What callers ask and get; made once per registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry or CollectorRegistry()
        self.requests = Counter(
            "model_requests",
            "Requests to invocations by the status of their answer; 499: the caller had gone",
            ["status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "model_request_seconds",
            "From a request's whole body to its answer, of those with status 200",
            buckets=_SECONDS,
            registry=registry,
        )
        self.under_way = Gauge("model_requests_under_way", "Requests whose body is there", registry=registry)
        self.texts = Counter("model_texts", "Texts that were judged", registry=registry)
        self.pairs = Counter("model_pairs", "Texts times labels that were judged", registry=registry)
        self.label_hits = Counter(
            "model_label_cache_hits", "Label sentences and examples whose vectors were known", registry=registry
        )
        self.label_misses = Counter(
            "model_label_cache_misses", "Label sentences and examples that were encoded", registry=registry
        )


def export_build_info(registry: CollectorRegistry, backend: str, version: str, revision: str) -> None:
    """Adds `build_info` and what prometheus-client tells of the process: memory, processor time, open files."""
    gauge = Gauge(
        "build_info", "Which build is running", ["service", "backend", "version", "revision"], registry=registry
    )
    gauge.labels("model", backend, version, revision).set(1)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
