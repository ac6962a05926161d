"""What stream-getter counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pipeline.contracts import Post


class Metrics:
    """One instance for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.posts_received = Counter(
            "stream_getter_posts_received",
            "Posts read from the source, repeats included",
            ["source"],
            registry=registry,
        )
        # labels() costs as much as all else that is counted for a post
        self._received: dict[str, Counter] = {}
        self.posts_repeated = Counter(
            "stream_getter_posts_repeated", "Posts seen lately, not sent again", ["source"], registry=registry
        )
        self.lines_refused = Counter(
            "stream_getter_lines_refused",
            "Lines of the stream that hold no post",
            ["reason"],
            registry=registry,
        )
        self.posts_incomplete = Counter(
            "stream_getter_posts_incomplete",
            "Posts that are sent though something of them may miss, by what was wrong",
            ["reason"],
            registry=registry,
        )
        self.messages_passed_over = Counter(
            "stream_getter_messages_passed_over",
            "Messages of the source that are no posts for us, by what they are",
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
        self.connection_resets = Counter(
            "stream_getter_connection_resets",
            "Tries to end connections that X still counts, by result",
            ["result"],
            registry=registry,
        )
        self.spend_posts = Gauge(
            "stream_getter_spend_posts",
            "Posts that X bills, read in this hour, day or month (of the month X's own figure where that is more)",
            ["window"],
            registry=registry,
        )
        self.spend_usd = Gauge(
            "stream_getter_spend_usd", "What these posts cost, an estimate in dollars", ["window"], registry=registry
        )
        self.budget_share = Gauge(
            "stream_getter_budget_share",
            "What is spent of the window's budget, 1 being all of it; 0 without a budget",
            ["window"],
            registry=registry,
        )
        self.budget_closed = Gauge(
            "stream_getter_budget_closed", "1 while the stream is closed because a budget is spent", registry=registry
        )
        self.x_usage_posts = Gauge(
            "stream_getter_x_usage_posts",
            "Posts of this month by X's own figure, which lags; 0 until X has told",
            registry=registry,
        )
        self.x_cap_posts = Gauge(
            "stream_getter_x_cap_posts", "X's own cap of posts a month; 0 where X names none", registry=registry
        )
        self.source_delay = Histogram(
            "stream_getter_source_delay_seconds",
            "From a post's creation to its arrival here",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 30, 60, 300),
            registry=registry,
        )

    def arrived(self, post: Post) -> None:
        """A post has come from its source."""
        counter = self._received.get(post.source)
        if counter is None:
            counter = self._received[post.source] = self.posts_received.labels(post.source)
        counter.inc()
        self.source_delay.observe(max(0.0, (post.received_at - post.created_at).total_seconds()))
