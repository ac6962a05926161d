"""Builds the source kafka."""

import time
from functools import partial

from pipeline.backoff import Backoff
from pipeline.settings import read_settings
from stream_getter.kafka.fields import FieldMap
from stream_getter.kafka.settings import KafkaSettings
from stream_getter.source import Source, Surroundings


def build(around: Surroundings) -> Source:
    """See stream_getter.source. Raises UserMistake."""
    # the client builds its protocol as it is imported, half a second and some MB that other sources have no use for
    from stream_getter.kafka.client import connected, consumer_options, hold_back_log
    from stream_getter.kafka.topic import KafkaTopic

    settings = read_settings(KafkaSettings, around.environ)
    options = consumer_options(settings)
    hold_back_log(around.occasionally)
    return KafkaTopic(
        partial(connected, options),
        settings.kafka_topic,
        FieldMap.parsed(settings.kafka_fields) if settings.kafka_fields.strip() else None,
        around.metrics,
        around.stopping,
        Backoff(0.5, 30.0, around.rng),
        now=around.now,
        new_trace_id=around.new_trace_id,
        occasionally=around.occasionally,
        clock=time.monotonic,
    )
