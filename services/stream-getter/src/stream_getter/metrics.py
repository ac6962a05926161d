"""What stream-getter counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """One instance for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.posts_received = Counter(
            "stream_getter_posts_received",
            "Posts read from the source, repeats included",
            ["source"],
            registry=registry,
        )
        self.posts_repeated = Counter(
            "stream_getter_posts_repeated", "Posts seen lately, not sent again", ["source"], registry=registry
        )
        self.lines_refused = Counter(
            "stream_getter_lines_refused",
            "Lines of the stream that hold no post",
            ["reason"],
            registry=registry,
        )
        self.posts_dropped = Counter(
            "stream_getter_posts_dropped", "Posts that will never be sent", ["reason"], registry=registry
        )
        self.stream_up = Gauge("stream_getter_stream_up", "1 while the stream is connected", registry=registry)
        self.reconnects = Counter(
            "stream_getter_reconnects",
            "Connections that ended or failed, by reason",
            ["reason"],
            registry=registry,
        )
        self.source_delay = Histogram(
            "stream_getter_source_delay_seconds",
            "From a post's creation to its arrival here",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 30, 60, 300),
            registry=registry,
        )
