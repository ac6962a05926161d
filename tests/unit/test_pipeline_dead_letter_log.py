"""What the log says of a dead letter, where its reason may quote the message."""

import random
import threading

import pytest
from prometheus_client import CollectorRegistry

import pipeline.queue_reader
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import QueueReader
from tests.support.fake_sqs import DEAD_LETTERS_URL, URL, FakeSqs
from tests.support.recording_log import record_log


@pytest.mark.parametrize(("log_reason", "logged"), [(None, "found 'a secret'"), ("status 400", "status 400")])
def test_a_reason_that_may_quote_the_message_is_in_the_letter_and_not_in_the_log(
    monkeypatch: pytest.MonkeyPatch, log_reason: str | None, logged: str
) -> None:
    log = record_log(monkeypatch, pipeline.queue_reader)
    sqs = FakeSqs()
    sqs.add("a secret")
    metrics = QueueMetrics(CollectorRegistry())
    backoff = Backoff(0.002, 0.005, random.Random(1))
    reader = QueueReader(sqs.client, URL, DEAD_LETTERS_URL, "posts", "classifier", metrics, backoff, threading.Event())
    (message,) = reader.receive()
    reader.dead_letter(message, "found 'a secret'", log_reason=log_reason)
    reader.close()
    (letter,) = sqs.queues[DEAD_LETTERS_URL]
    assert letter.attributes["reason"]["StringValue"] == "found 'a secret'"
    said = [values["reason"] for _level, event, values in log.lines if event == "dead letter"]
    assert said == [logged]
