"""Alerts as readable lines on standard output."""

from collections.abc import Sequence
from typing import TextIO

from notifier.channels.contract import Delivered, Failed, Outcome
from notifier.channels.message import headline
from pipeline.contracts import Delivery


class StdoutChannel:
    """See Channel. Lines are safe to print whatever a post contains."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """See Channel."""
        outcomes: list[Outcome] = []
        for delivery in deliveries:
            line = headline(delivery)
            encoding = self._stream.encoding or "utf-8"
            try:
                # a terminal with a small alphabet must not cost the alert
                self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
                self._stream.flush()
            except (OSError, ValueError) as error:
                outcomes.append(Failed(f"standard output: {error}"))
            else:
                outcomes.append(Delivered())
        return outcomes
