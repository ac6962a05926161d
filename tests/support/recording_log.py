"""A logger that keeps what it was told, for modules whose log lines are part of what they promise."""

from typing import Any, cast

import pytest
import structlog


class RecordingLog:
    """Takes the place of a module's ``log``. ``trace_ids`` has for each line the id that it would carry, or None."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []
        self.trace_ids: list[str | None] = []

    @property
    def events(self) -> list[str]:
        """The events in order, without their level and values."""
        return [event for _level, event, _values in self.lines]

    @property
    def logger(self) -> structlog.stdlib.BoundLogger:
        """Itself, under the type that callers ask for."""
        return cast(structlog.stdlib.BoundLogger, self)

    def debug(self, event: str, **values: object) -> None:
        self._record("debug", event, values)

    def info(self, event: str, **values: object) -> None:
        self._record("info", event, values)

    def warning(self, event: str, **values: object) -> None:
        self._record("warning", event, values)

    def error(self, event: str, **values: object) -> None:
        self._record("error", event, values)

    def exception(self, event: str, **values: object) -> None:
        self._record("exception", event, values)

    def _record(self, level: str, event: str, values: dict[str, object]) -> None:
        self.lines.append((level, event, values))
        self.trace_ids.append(structlog.contextvars.get_contextvars().get("trace_id"))


def record_log(monkeypatch: pytest.MonkeyPatch, *modules: Any) -> RecordingLog:
    """Records what the modules log during a test, in one list."""
    log = RecordingLog()
    for module in modules:
        monkeypatch.setattr(module, "log", log)
    return log
