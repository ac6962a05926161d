"""From the alerts queue to the deliveries queue."""

import threading
from collections.abc import Sequence

from notifier.metrics import Metrics
from notifier.routing import Router
from pipeline.acceptance import Acceptance, settle
from pipeline.contracts import Alert, Notice, decode_alert_or_notice, encode
from pipeline.errors import ContractError
from pipeline.logs import get_logger
from pipeline.queue_reader import QueueReader, ReceivedMessage
from pipeline.queue_writer import QueueWriter
from pipeline.trace import trace_attributes, trace_id_of, tracing

log = get_logger(__name__)


class AlertLoop:
    """An alert is deleted only once each delivery that it calls for lies in the deliveries queue."""

    def __init__(
        self,
        reader: QueueReader,
        writer: QueueWriter,
        router: Router,
        metrics: Metrics,
        stopping: threading.Event,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._router = router
        self._metrics = metrics
        self._stopping = stopping

    def run(self) -> None:
        """Until ``stopping``."""
        while not self._stopping.is_set():
            if messages := self._reader.receive():
                self._handle(messages)

    def announce(self, notice: Notice) -> None:
        """Puts a Notice of this service's own on its way, as if it had come by the alerts queue. For any thread.

        One that the deliveries queue does not accept before the service ends is lost; it was logged.
        """
        self._deliveries(notice)

    def _handle(self, messages: Sequence[ReceivedMessage]) -> None:
        under_way: list[tuple[ReceivedMessage, list[Acceptance]]] = []
        for message in messages:
            try:
                content = decode_alert_or_notice(message.body)
            except ContractError as error:
                with tracing(trace_id_of(message)):
                    self._reader.dead_letter(message, f"neither alert nor notice: {error}")
                continue
            under_way.append((message, self._deliveries(content)))
        settle(self._reader, under_way, "delivery", self._stopping)

    def _deliveries(self, content: Alert | Notice) -> list[Acceptance]:
        """The acceptances of the deliveries that it calls for."""
        self._metrics.alerts.labels(_label(content)).inc()
        deliveries = self._router.deliveries(content)
        with tracing(content.post.trace_id if isinstance(content, Alert) else ""):
            if deliveries:
                log.debug("to be told", label=_label(content), channels=[each.channel for each in deliveries])
            else:
                self._metrics.alerts_unrouted.labels(_label(content)).inc()
                log.warning("nobody is to be told", label=_label(content))
        return [self._writer.put(encode(each), trace_attributes(each.trace_id)) for each in deliveries]


def _label(content: Alert | Notice) -> str:
    return (
        content.labels[0].name if isinstance(content, Alert) and content.labels else content.__class__.__name__.lower()
    )
