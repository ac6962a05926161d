"""How many messages lie in queues, asked of SQS from time to time: it is the reader's service that tells."""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.logs import get_logger
from pipeline.queue_metrics import QueueMetrics

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = get_logger(__name__)

#: Seconds between two looks at a queue; each is one call, which costs as much as a receive.
PERIOD = 10.0

_STATES = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


class QueueDepth:
    """Keeps the gauge ``queue_depth`` of some queues, by name. Run it in the background of the service."""

    def __init__(
        self, sqs: "SQSClient", urls: Mapping[str, str], metrics: QueueMetrics, stopping: threading.Event
    ) -> None:
        self._sqs = sqs
        self._urls = urls
        self._metrics = metrics
        self._stopping = stopping

    def run(self) -> None:
        """Until ``stopping``."""
        while True:
            for name, url in self._urls.items():
                if self._stopping.is_set():
                    return
                self._look(name, url)
            if self._stopping.wait(PERIOD):
                return

    def _look(self, name: str, url: str) -> None:
        """A queue that cannot be asked has no figures: none is better than an old one."""
        try:
            attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_STATES.values()))  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            log.debug("queue depth unknown", queue=name, reason=str(error))
            for state in _STATES:
                self._metrics.depth.labels(name, state).set(float("nan"))
            return
        for state, attribute in _STATES.items():
            count = attributes["Attributes"].get(attribute, "0")  # type: ignore[call-overload]
            self._metrics.depth.labels(name, state).set(int(count))
