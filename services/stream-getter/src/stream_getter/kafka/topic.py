"""A topic as a Source: one member of a consumer group, which commits what the posts queue has accepted."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from pipeline.backoff import Backoff
from pipeline.connection_state import ConnectionState
from pipeline.logs import OccasionalLog, get_logger
from pipeline.text import short_line
from stream_getter.contract_json import NotAPost
from stream_getter.kafka.client import BOOTSTRAP_SECONDS, REQUEST_SECONDS
from stream_getter.kafka.fields import FieldMap
from stream_getter.kafka.offsets import Offsets
from stream_getter.kafka.rebalance import REVOKE_SECONDS, Rebalance
from stream_getter.kafka.records import Record, parse_record
from stream_getter.metrics import Metrics
from stream_getter.source import Arrival

log = get_logger(__name__)

#: Well above REVOKE_SECONDS: kafka-python 3.0 forgets a join that ends between two polls and joins once more, which it
#: does at every rebalance where giving partitions up takes longer than a poll.
_POLL_SECONDS = 2.0
_COMMIT_EVERY_SECONDS = 3.0
#: For the commit at a time, and for the question whether the brokers are there when there is nothing to commit.
_CALL_SECONDS = 3.0


class KafkaTopic:
    """See Source. ``connect`` makes a consumer, and raises where no broker can be reached; ``fields`` may be None.

    At least once: an offset is committed only after all records before it are settled, every few seconds, before its
    partition is given up, and at the end. The group's other members get what was not, after this one is gone.
    """

    #: The steps between two looks at ``stopping`` that may wait, each for the longest.
    silence_seconds = BOOTSTRAP_SECONDS + _POLL_SECONDS + REQUEST_SECONDS + REVOKE_SECONDS + _CALL_SECONDS

    def __init__(
        self,
        connect: Callable[[], KafkaConsumer],
        topic: str,
        fields: FieldMap | None,
        metrics: Metrics,
        stopping: threading.Event,
        backoff: Backoff,
        *,
        now: Callable[[], datetime],
        new_trace_id: Callable[[], str],
        occasionally: OccasionalLog,
        clock: Callable[[], float],
    ) -> None:
        self._connect = connect
        self._topic = topic
        self._fields = fields
        self._metrics = metrics
        self._stopping = stopping
        self._backoff = backoff
        self._now = now
        self._new_trace_id = new_trace_id
        self._occasionally = occasionally
        self._clock = clock
        self._offsets = Offsets()
        self._lock = threading.Lock()  # a consumer is for one thread at a time
        self._consumer: KafkaConsumer | None = None
        self._next_call = 0.0
        self._state = ConnectionState(f"topic {topic}")
        self._idle: str | None = None

    def arrivals(self) -> Iterator[Arrival]:
        """See Source."""
        while not self._stopping.is_set():
            for record in self._polled():
                if self._stopping.is_set():
                    return  # the rest is not settled, and comes again
                yield from self._arrival(record)
                self._keep_in_touch()
            self._keep_in_touch()

    def stop(self) -> None:
        """See Source. ``arrivals`` looks at ``stopping`` by itself."""

    def trouble(self) -> str | None:
        """See Source."""
        return self._idle or self._state.trouble()

    def close(self, seconds: float) -> None:
        """See Source."""
        if not self._lock.acquire(timeout=max(0.0, seconds)):
            log.error("the last offsets are not committed: the consumer is still at work", topic=self._topic)
            return
        try:
            if self._consumer is not None:
                self._commit(self._consumer, min(seconds / 2, _CALL_SECONDS))
                self._let_go(self._consumer)
        finally:
            self._consumer = None
            self._lock.release()

    def _polled(self) -> list[Record]:
        """The records of one poll; none where that fails, after a wait."""
        with self._lock:
            try:
                if self._consumer is None:
                    self._consumer = self._joined()
                batches = self._consumer.poll(timeout_ms=int(_POLL_SECONDS * 1000))
                if self._begin(self._consumer, batches):
                    self._commit(self._consumer, _CALL_SECONDS)
                    self._next_call = self._clock() + _COMMIT_EVERY_SECONDS
            except Exception as error:  # noqa: BLE001 - a client's parser raises whatever a broker's bytes lead it to
                self._lost(error)
                if self._consumer is not None:
                    self._let_go(self._consumer)
                    self._consumer = None
                batches = None
        if batches is None:
            self._stopping.wait(self._backoff.next())
            return []
        if batches:
            self._reached()
            self._backoff.reset()
        return [record for records in batches.values() for record in records]

    def _joined(self) -> KafkaConsumer:
        consumer = self._connect()
        consumer.subscribe([self._topic], listener=Rebalance(self._offsets, consumer.commit_async))
        self._next_call = self._clock() + _COMMIT_EVERY_SECONDS
        return consumer

    def _begin(self, consumer: KafkaConsumer, batches: Mapping[TopicPartition, Sequence[Record]]) -> bool:
        """Notes where the reading of partitions begins that are ours since this poll; whether there are any."""
        begun = False
        for partition in self._offsets.not_begun(consumer.assignment()):
            if records := batches.get(partition):
                offset = records[0].offset
            else:
                try:
                    offset = consumer.position(partition, timeout_ms=0)
                except KafkaTimeoutError:
                    offset = None
            if offset is not None:  # the client may not have found it out yet
                self._offsets.begin(partition, offset)
                begun = True
        return begun

    def _arrival(self, record: Record) -> Iterator[Arrival]:
        partition = TopicPartition(record.topic, record.partition)
        try:
            post = parse_record(record, self._fields, self._now(), self._new_trace_id)
        except NotAPost as reason:
            self._offsets.passed(partition, record.offset)
            self._metrics.lines_refused.labels(reason.kind).inc()
            place = f"{record.topic}/{record.partition}/{record.offset}"
            self._occasionally.warning(
                log, reason.kind, "a record of the topic holds no post", record=place, reason=str(reason)
            )
        else:
            yield Arrival(post, self._offsets.arrived(partition, record.offset))

    def _keep_in_touch(self) -> None:
        """Now and then: commits what is settled, or asks for the topic's end, which shows that brokers are there."""
        if self._clock() < self._next_call or self._consumer is None:
            return
        with self._lock:
            if not self._commit(self._consumer, _CALL_SECONDS):
                self._look(self._consumer)
        self._next_call = self._clock() + _COMMIT_EVERY_SECONDS

    def _commit(self, consumer: KafkaConsumer, seconds: float) -> bool:
        """Commits what is due; whether anything was."""
        due = self._offsets.due()
        if not due:
            return False
        try:
            consumer.commit(
                {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in due.items()},
                timeout_ms=int(seconds * 1000),
            )
        except Exception as error:  # noqa: BLE001 - as for poll; what is not committed comes again, and no worse
            self._failed(error, "offsets not committed")
        else:
            self._offsets.committed(due)
            self._reached()
        return True

    def _look(self, consumer: KafkaConsumer) -> None:
        try:
            partitions = consumer.assignment()
            self._idle = None if partitions else f"no partition of topic {self._topic} is assigned to this member yet"
            if partitions:
                consumer.end_offsets(list(partitions), timeout_ms=int(_CALL_SECONDS * 1000))
                self._reached()
        except Exception as error:  # noqa: BLE001 - as for poll
            self._failed(error, "the topic's end is not to be had")

    def _reached(self) -> None:
        self._idle = None
        self._state.reached()
        self._metrics.stream_up.set(1)

    def _lost(self, error: Exception) -> None:
        self._failed(error, "the consumer is made anew")

    def _failed(self, error: Exception, what: str) -> None:
        reason = f"{what}: {_in_short(error)}"
        if self._state.trouble() is None:
            self._metrics.reconnects.labels(type(error).__name__).inc()
        self._idle = None
        self._metrics.stream_up.set(0)
        self._state.failed(reason)

    def _let_go(self, consumer: KafkaConsumer) -> None:
        # before its listener is asked, which would wait and commit once more
        self._offsets.forget()
        self._metrics.stream_up.set(0)
        try:
            consumer.close(autocommit=False, timeout_ms=1000)
        except Exception as error:  # noqa: BLE001 - as for poll; the broker misses its heartbeats soon
            log.warning("the consumer did not end as it should", topic=self._topic, reason=_in_short(error))


def _in_short(error: Exception) -> str:
    kind = type(error).__name__
    # a timeout's error says None
    words = short_line(str(error), 300).removesuffix(": None")
    return words if isinstance(error, KafkaError) else f"{kind}: {words}"
