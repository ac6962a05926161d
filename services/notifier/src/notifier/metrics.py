"""What notifier counts."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """One instance for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.alerts = Counter("notifier_alerts", "Alerts and notices read, by best label", ["label"], registry=registry)
        self.alerts_unrouted = Counter(
            "notifier_alerts_unrouted",
            "Alerts and notices that no route leads anywhere, by best label",
            ["label"],
            registry=registry,
        )
        self.deliveries = Counter(
            "notifier_deliveries",
            "Deliveries by channel and outcome",
            ["channel", "outcome"],
            registry=registry,
        )
        self.notification_delay = Histogram(
            "notifier_notification_delay_seconds",
            "From a post's creation to a channel's acceptance",
            ["channel"],
            buckets=(0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 30, 60, 300, 3600),
            registry=registry,
        )
        self.handling_delay = Histogram(
            "notifier_handling_delay_seconds",
            "From a post's arrival at stream-getter to a channel's acceptance: the part that is ours",
            ["channel"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
            registry=registry,
        )

    def start_channel_at_zero(self, channel: str) -> None:
        """Exports a channel's counters before their first event, which ``rate`` would not see otherwise."""
        for outcome in ("delivered", "repeat", "failed", "refused"):
            self.deliveries.labels(channel, outcome)
