"""Connects a consumer to its brokers, TLS verified."""

import logging
import ssl
from typing import Any

from kafka import KafkaConsumer
from kafka.net.compat import KafkaNetClient

from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog, get_logger
from pipeline.text import short_line
from stream_getter.kafka.settings import KafkaSettings

log = get_logger(__name__)

#: A record may be as large as its topic allows; a fetch brings one of them at least, whatever its bound.
_FETCH_BYTES = 8 * 1024 * 1024
#: The forwarder does not come back for records while its buffer is full, and then nothing is polled. For so long the
#: group waits for us, with all its other members, whenever it shares out the partitions anew; after that it goes on
#: without us, and what we hold comes again to another member. The queue that we wait for is theirs too, so there is
#: nothing to be won by going on earlier; a broker that hangs in a join is noticed no earlier either, hence no hours.
_POLL_INTERVAL_SECONDS = 15 * 60
#: Seconds without a heartbeat, of which there is one every 3 s, after which a member counts as dead. For so long nobody
#: reads the partitions of a task that was killed. Kafka's default of 45 s is too long where seconds count.
_SESSION_SECONDS = 10
#: A bootstrap that finds nobody, and a request without an answer: a stop may have to wait for them.
BOOTSTRAP_SECONDS = 3.0
REQUEST_SECONDS = 8.0


def consumer_options(settings: KafkaSettings) -> dict[str, Any]:
    """KafkaConsumer's arguments. Raises UserMistake."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers.replace(",", " ").split(),
        "client_id": "stream-getter",
        "group_id": settings.kafka_group,
        "auto_offset_reset": settings.kafka_start,
        "enable_auto_commit": False,
        # what a producer has taken back is nobody's post
        "isolation_level": "read_committed",
        "allow_auto_create_topics": False,
        "fetch_max_bytes": _FETCH_BYTES,
        "max_poll_interval_ms": _POLL_INTERVAL_SECONDS * 1000,
        "session_timeout_ms": _SESSION_SECONDS * 1000,
        "bootstrap_timeout_ms": int(BOOTSTRAP_SECONDS * 1000),
        "request_timeout_ms": int(REQUEST_SECONDS * 1000),
        "reconnect_backoff_max_ms": 5000,
        "security_protocol": settings.kafka_security_protocol,
        "metrics_enabled": False,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings.kafka_ca_file)
    if settings.kafka_security_protocol.startswith("SASL"):
        for name, value in (
            ("KAFKA_SASL_USERNAME", settings.kafka_sasl_username),
            ("KAFKA_SASL_PASSWORD", settings.kafka_sasl_password),
        ):
            if not value:
                protocol = settings.kafka_security_protocol
                raise UserMistake(
                    f"environment: {name}: expected a text for KAFKA_SECURITY_PROTOCOL={protocol}, got nothing"
                )
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password,
        }
    return options


def connected(options: dict[str, Any]) -> KafkaConsumer:
    """A consumer that has found a broker. Raises KafkaError, and what else the client's parser may."""
    clients: list[KafkaNetClient] = []

    def client(**configuration: Any) -> KafkaNetClient:
        clients.append(KafkaNetClient(**configuration))
        return clients[0]

    try:
        return KafkaConsumer(kafka_client=client, **options)
    except BaseException:
        # a constructor that fails leaves its network thread running
        for each in clients:
            each.close()
        raise


def hold_back_log(occasionally: OccasionalLog) -> None:
    """From now on the client's warnings come one in a while: with its brokers away it has some ten in a second."""
    logger = logging.getLogger("kafka")
    logger.handlers[:] = [_Occasionally(occasionally)]
    logger.propagate = False


class _Occasionally(logging.Handler):
    def __init__(self, occasionally: OccasionalLog) -> None:
        super().__init__(logging.WARNING)
        self._occasionally = occasionally

    def emit(self, record: logging.LogRecord) -> None:
        said = short_line(record.getMessage(), 300)
        self._occasionally.warning(log, record.name, "kafka-python warns", of=record.name, said=said)


def _tls(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:
        raise UserMistake(
            f"environment: KAFKA_CA_FILE: expected a file of certificates (PEM), got {ca_file!r} ({error})"
        ) from error
