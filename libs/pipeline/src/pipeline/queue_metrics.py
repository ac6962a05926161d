"""Metrics of the queues, shared by readers and writers; one instance for each registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class QueueMetrics:
    """Counters by queue name (``posts``, ``alerts``, ``deliveries``)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.sent = Counter("queue_messages_sent", "Messages that the queue accepted", ["queue"], registry=registry)
        self.send_failures = Counter(
            "queue_send_failures",
            "Messages whose sending failed and was tried again",
            ["queue"],
            registry=registry,
        )
        self.unsendable = Counter(
            "queue_messages_unsendable",
            "Messages that the queue can never accept",
            ["queue"],
            registry=registry,
        )
        self.buffered_bytes = Gauge(
            "queue_writer_buffered_bytes", "Bytes that wait to be accepted", ["queue"], registry=registry
        )
        self.received = Counter(
            "queue_messages_received", "Messages received, repeats included", ["queue"], registry=registry
        )
        self.received_again = Counter(
            "queue_messages_received_again",
            "Messages received while an earlier delivery of them was still in hand, and not handed out twice",
            ["queue"],
            registry=registry,
        )
        self.deleted = Counter("queue_messages_deleted", "Messages done with and deleted", ["queue"], registry=registry)
        self.given_back = Counter(
            "queue_messages_given_back",
            "Messages made visible again for a later try",
            ["queue"],
            registry=registry,
        )
        self.dead_lettered = Counter(
            "queue_messages_dead_lettered", "Messages that can never succeed", ["queue"], registry=registry
        )
        self.claims_lost = Counter(
            "queue_claims_lost",
            "Messages whose receipt expired while they were held; others may get them",
            ["queue"],
            registry=registry,
        )
        self._of_writers = (self.sent, self.send_failures, self.unsendable)
        self.reader_buffered_bytes = Gauge(
            "queue_reader_buffered_bytes",
            "Bytes received ahead of the work, and not handed out yet",
            ["queue"],
            registry=registry,
        )
        self._of_readers = (
            self.received,
            self.received_again,
            self.deleted,
            self.given_back,
            self.dead_lettered,
            self.claims_lost,
        )
        self.wait = Histogram(
            "queue_wait_seconds",
            "A message's time in the queue until it was received",
            ["queue"],
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
            registry=registry,
        )
        self.depth = Gauge(
            "queue_depth",
            "Messages in the queue: visible, in flight, or delayed",
            ["queue", "state"],
            registry=registry,
        )
        self.oldest_age = Gauge(
            "queue_oldest_message_age_seconds",
            "Age of the oldest message in hand, in a backlog about that of the queue's oldest; 0 with none in hand",
            ["queue"],
            registry=registry,
        )

    def start_writer_at_zero(self, queue: str) -> None:
        """Exports a writer's counters before their first event, which ``rate`` would not see otherwise."""
        for counter in self._of_writers:
            counter.labels(queue)

    def start_reader_at_zero(self, queue: str) -> None:
        """As for a writer."""
        for counter in self._of_readers:
            counter.labels(queue)
