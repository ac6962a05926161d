"""Logs as JSON lines or as readable ones, on standard error. Each line has the trace id in hand (pipeline.trace)."""

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal, TextIO

import structlog


def configure_logs(level: str, format_: Literal["json", "readable"], service: str, stream: TextIO = sys.stderr) -> None:
    """Sends structlog's and the standard library's records to ``stream``. Call it once, first thing in a process.

    Libraries are held to WARNING: at INFO and below some of them log whole requests, and posts are not to be logged.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if format_ == "json":
        shared.append(_adding(service))
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)

    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(service.replace("-", "_")).setLevel(level)
    logging.getLogger("pipeline").setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; pass ``__name__``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _adding(service: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    return add


class OccasionalLog:
    """Lets one warning of a kind through per period and tells how many it held back: a storm must not fill a disk."""

    def __init__(self, period_seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._period = period_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._held_back: Counter[str] = Counter()

    def warning(self, logger: structlog.stdlib.BoundLogger, kind: str, event: str, **values: object) -> None:
        """Logs the event unless one of its kind was logged within the period. Kinds are few and fixed."""
        now = self._clock()
        with self._lock:
            if now - self._last.get(kind, float("-inf")) < self._period:
                self._held_back[kind] += 1
                return
            self._last[kind] = now
            held_back = self._held_back.pop(kind, 0)
        if held_back:
            values["and_before"] = held_back
        logger.warning(event, **values)
