"""The contract between the delivery loop and a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.contracts import Delivery


@dataclass(frozen=True, slots=True)
class Delivered:
    """The channel has accepted the delivery."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The channel has not accepted it; ``final`` when it never will, for what the delivery contains."""

    reason: str
    final: bool = False


Outcome = Delivered | Failed


class Channel(Protocol):
    """One channel, used by one thread."""

    def deliver(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Tries each of up to ten deliveries once and says for each, in order, what became of it. Raises nothing."""
