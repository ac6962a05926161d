"""Settings of the source kafka, from environment variables."""

from typing import Annotated, Literal

import msgspec

from pipeline.settings import CommonSettings, Text

Servers = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[^\s,/]+:[0-9]+(?:[\s,]+[^\s,/]+:[0-9]+)*$",
        title="brokers such as kafka-1:9092,kafka-2:9092",
    ),
]
Topic = Annotated[
    str, msgspec.Meta(pattern=r"^[a-zA-Z0-9._-]{1,249}$", title="a topic's name: letters, digits, dots, - and _")
]
Protocol = Annotated[
    Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
    msgspec.Meta(title="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
]
Mechanism = Annotated[
    Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], msgspec.Meta(title="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
]
Start = Annotated[Literal["earliest", "latest"], msgspec.Meta(title="earliest or latest")]


class KafkaSettings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/stream-getter/README.md says what each means."""

    kafka_bootstrap_servers: Servers
    kafka_topic: Topic
    kafka_group: Text = "tweet-alerts"
    kafka_start: Start = "latest"
    kafka_fields: str = ""
    kafka_security_protocol: Protocol = "PLAINTEXT"
    kafka_ca_file: str = ""
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: str = ""
