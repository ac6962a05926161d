"""The trace id: a post's name on its way from reader to channel.

It travels in the contracts (Post, Delivery) and, for those that cannot or need not decode a message, as its attribute
``trace_id``. Whoever puts a message gives it ``trace_attributes``; whoever handles one does so within ``tracing``, and
every log line of that thread carries the id then. Threads do not inherit it: a callback binds it anew.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from pipeline.text import clean

if TYPE_CHECKING:
    from pipeline.received_message import ReceivedMessage

TRACE_ID = "trace_id"


def trace_attributes(trace_id: str) -> dict[str, str]:
    """The message attribute that carries the id; none for an empty one, which SQS would refuse with its message."""
    return {TRACE_ID: clean(trace_id)} if trace_id else {}


def trace_id_of(message: "ReceivedMessage") -> str:
    """The id in a message's attributes; empty where its sender gave none."""
    return message.attributes.get(TRACE_ID, "")


@contextmanager
def tracing(trace_id: str) -> Iterator[None]:
    """Within it each log line of this thread has the id; with an empty one lines stay as they are."""
    if not trace_id:
        yield
        return
    tokens = structlog.contextvars.bind_contextvars(trace_id=trace_id)
    try:
        yield
    finally:
        structlog.contextvars.reset_contextvars(**tokens)
