"""What an operation works with."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.support.strict_sqs.broker import Broker, ReceiveShape
from tests.support.strict_sqs.faults import EntryFails
from tests.support.strict_sqs.registry import ACCOUNT


class Context(NamedTuple):
    """One call on its way. ``queue`` is the name in its QueueUrl; URLs in answers start with ``base_url``."""

    broker: Broker
    request: Mapping[str, Any]
    queue: str
    base_url: str
    shape: ReceiveShape
    fault_of_entry: Callable[[Mapping[str, Any]], EntryFails | None]

    def url(self, name: str) -> str:
        return queue_url(self.base_url, name)


def queue_url(base_url: str, name: str) -> str:
    return f"{base_url}/{ACCOUNT}/{name}"
