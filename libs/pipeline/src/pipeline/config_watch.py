"""Brings a changed configuration into force while the service runs, and refuses one that is wrong.

Whoever changes config/alerts.yaml gets, within one period, either the new rules or one line that says what is wrong
with them. A service never stops, and never runs by half a configuration, for what is in that file.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge

from pipeline.alerts_config import parse_alerts_config
from pipeline.config_at_start import ConfigInForce
from pipeline.config_places import ConfigDocument, ConfigPlaces
from pipeline.connection_state import ConnectionState
from pipeline.contracts import VERSION, Notice, Severity
from pipeline.errors import Unavailable, UserMistake
from pipeline.logs import get_logger

log = get_logger(__name__)

#: Seconds after which what has changed must still be the same: a file may be read while somebody writes it, and its
#: first half may be a configuration too.
SETTLE_SECONDS = 1.0


class ConfigMetrics:
    """One instance for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reloads = Counter(
            "config_reloads", "Changed configurations, by what became of them", ["outcome"], registry=registry
        )
        self.valid = Gauge(
            "config_valid", "1 while the latest configuration is in force, 0 while it is refused", registry=registry
        )
        self.valid.set(1)
        # a first refusal must count in increase(), which does not see a series' first value
        for outcome in ("applied", "refused"):
            self.reloads.labels(outcome)


class _Found(NamedTuple):
    """What a look has found: a document, or why there is none that can be read."""

    document: ConfigDocument | None
    mistake: str = ""


class ConfigWatch:
    """Looks at the configuration's places every ``period_seconds``. Run it in the background of the service.

    A new configuration is checked and handed to ``apply``, which must bring it into force as a whole, or raise
    UserMistake before it has changed anything. One that is refused, there or here, leaves the old one in force: it is
    logged and counted once, and told by ``tell`` as a Notice. The next one that counts is told as well, with its
    version, also where that is the old one again. A place that cannot be reached changes nothing and is only logged.

    ``tell`` is None in all services but one: all of them read the same file, and people are to hear of it once.
    """

    def __init__(
        self,
        places: ConfigPlaces,
        in_force: ConfigInForce,
        apply: Callable[[ConfigInForce], None],
        metrics: ConfigMetrics,
        stopping: threading.Event,
        period_seconds: float,
        service: str,
        now: Callable[[], datetime],
        tell: Callable[[Notice], None] | None = None,
    ) -> None:
        self._places = places
        self._in_force = in_force
        self._apply = apply
        self._metrics = metrics
        self._stopping = stopping
        self._period = period_seconds
        self._service = service
        self._now = now
        self._tell = tell
        self._state = ConnectionState("configuration")
        self._last = _found(in_force.document)
        self._refused = False

    def run(self) -> None:
        """Until ``stopping``."""
        while not self._stopping.wait(self._period):
            self.look()

    def look(self) -> None:
        """One look at the places. Blocks for SETTLE_SECONDS where something has changed, and for a call's time-out."""
        found = self._look()
        if found is None or found == self._last or self._stopping.wait(SETTLE_SECONDS):
            return
        if found != self._look():
            return  # it still changes: the next look is soon
        self._last = found
        if found.document is None:
            self._refuse(found.mistake)
        elif found.document.text == self._in_force.document.text:
            self._keep(found.document)
        else:
            self._replace(found.document)

    def _look(self) -> _Found | None:
        """What is there; None where that cannot be known now."""
        try:
            found = _found(self._places.read())
        except Unavailable as error:
            self._state.failed(str(error))
            return None
        except UserMistake as mistake:
            found = _Found(None, str(mistake))
        self._state.reached()
        return found

    def _replace(self, document: ConfigDocument) -> None:
        try:
            new = ConfigInForce(parse_alerts_config(document.text, document.place), document)
            self._apply(new)
        except UserMistake as mistake:
            self._refuse(str(mistake), document.version)
            return
        self._in_force = new
        self._metrics.reloads.labels("applied").inc()
        self._now_in_force()

    def _keep(self, document: ConfigDocument) -> None:
        """The same words as those in force: put again, or in another place."""
        self._in_force = ConfigInForce(self._in_force.config, document)
        if self._refused:
            self._now_in_force()
        else:
            self._in_force.tell()

    def _now_in_force(self) -> None:
        mended, self._refused = self._refused, False
        self._metrics.valid.set(1)
        self._in_force.tell()
        document, config = self._in_force.document, self._in_force.config
        figures = {"labels": len(config.labels), "channels": len(config.channels), "routes": len(config.routes)}
        counts = ", ".join(f"{what} {number}" for what, number in figures.items())
        text = f"{document.place}, {document.version}, is in force ({counts})"
        if mended:
            text += ". What was refused is mended"
        self._notice("config in force", Severity.INFO, text, {what: float(number) for what, number in figures.items()})

    def _refuse(self, reason: str, version: str = "") -> None:
        self._refused = True
        self._metrics.valid.set(0)
        self._metrics.reloads.labels("refused").inc()
        document = self._in_force.document
        log.warning(
            "configuration refused, the old one stays in force",
            reason=reason,
            version=version,
            in_force=f"{document.place}, {document.version}",
        )
        text = f"{reason}. It is refused; {document.place}, {document.version}, stays in force"
        self._notice("config refused", Severity.WARNING, text, {})

    def _notice(self, kind: str, severity: Severity, text: str, figures: dict[str, float]) -> None:
        if self._tell:
            self._tell(
                Notice(
                    v=VERSION,
                    kind=kind,
                    service=self._service,
                    severity=severity,
                    text=text,
                    at=self._now(),
                    figures=figures,
                )
            )


def _found(document: ConfigDocument) -> _Found:
    # places that have nothing change nothing
    return _Found(document._replace(missing=()))
