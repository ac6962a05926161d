"""A broker that speaks Kafka (noida-db), as a real process on a free port, and what tests do at it.

Import it before anything of kafka-python: that makes calls which Python 3.11 and 3.12 deprecate as it is imported, and
warnings are errors in tests.
"""

import signal
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import NewTopic

from demo.road import free_ports
from tests.support.polling import wait_until

_START_SECONDS = 30.0
_SECONDS = 10


class KafkaBroker:
    """One broker. ``start`` after ``stop`` finds all topics again; they may be lost with ``kill``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_ports(1)[0]
        self.address = f"127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._lookers: dict[str, KafkaConsumer] = {}

    def start(self) -> None:
        """Returns once it answers."""
        arguments = ["--data-dir", str(self._folder / "data"), "--host", "127.0.0.1"]
        arguments += ["--only", "kafka", "--kafka-port", str(self._port)]
        # its command would start this as another process, and end before it
        program = str(files("noida_db") / "noida-db")
        with (self._folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "start", *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._answers, "the broker", _START_SECONDS)

    def kill(self) -> None:
        """Does nothing where it does not run."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Returns once it has saved what it has, and ended."""
        self._end(signal.SIGTERM)

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            admin.create_topics([NewTopic(topic, partitions, 1)])
        finally:
            admin.close()

    def produce(self, topic: str, values: Sequence[bytes | None], partition: int = 0) -> None:
        """Returns once the broker has all of them."""
        producer = KafkaProducer(bootstrap_servers=self.address)
        try:
            sent = [producer.send(topic, value, key=b"key", partition=partition) for value in values]
            for future in sent:
                future.get(_SECONDS)
        finally:
            producer.close(timeout=_SECONDS)

    def committed(self, group: str, topic: str, partition: int = 0) -> int:
        """The offset that the group would go on with; 0 where it has none."""
        if group not in self._lookers:
            # with a consumer for each look a test would do little else
            self._lookers[group] = KafkaConsumer(
                bootstrap_servers=self.address, group_id=group, enable_auto_commit=False
            )
        return self._lookers[group].committed(TopicPartition(topic, partition), timeout_ms=_SECONDS * 1000) or 0

    def _end(self, number: int) -> None:
        for looker in self._lookers.values():
            looker.close(autocommit=False)
        self._lookers.clear()
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(_SECONDS)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the broker ended by itself: {(self._folder / 'log.txt').read_text()}")
        try:
            KafkaAdminClient(bootstrap_servers=self.address, bootstrap_timeout_ms=1000).close()
        except Exception:  # noqa: BLE001 - whatever a port says that nobody or half a broker listens on
            return False
        return True


@contextmanager
def running_broker(folder: Path) -> Iterator[KafkaBroker]:
    """A broker that answers; killed at the end."""
    broker = KafkaBroker(folder)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()
