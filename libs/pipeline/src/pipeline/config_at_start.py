"""The configuration that a service starts with: waited for, checked, and told in the log."""

import time
from collections.abc import Callable
from typing import NamedTuple

from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.backoff import Backoff
from pipeline.config_places import ConfigDocument, ConfigPlaces
from pipeline.connection_state import ConnectionState
from pipeline.errors import Unavailable
from pipeline.logs import get_logger

log = get_logger(__name__)

#: Seconds that a start waits for a place which cannot be reached. Whoever runs the service then sees it end.
PATIENCE_SECONDS = 60.0


class ConfigInForce(NamedTuple):
    """A checked configuration, and the document that it stands in."""

    config: AlertsConfig
    document: ConfigDocument

    def tell(self) -> None:
        """Logs where it comes from. Call it once all parts are built: a user's mistake is to be one line, alone."""
        for place in self.document.missing:
            log.info("no configuration there, the next place counts", place=place)
        log.info(
            "configuration in force",
            place=self.document.place,
            version=self.document.version,
            labels=len(self.config.labels),
        )


def config_at_start(
    places: ConfigPlaces,
    backoff: Backoff,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> ConfigInForce:
    """Blocks for PATIENCE_SECONDS at most, and the time-out of one more call; only a signal's handler cuts it short.

    Raises UserMistake, and Unavailable where the place could not be reached in that time.
    """
    document = _read_with_patience(places, backoff, clock, sleep)
    return ConfigInForce(parse_alerts_config(document.text, document.place), document)


def _read_with_patience(
    places: ConfigPlaces, backoff: Backoff, clock: Callable[[], float], sleep: Callable[[float], object]
) -> ConfigDocument:
    deadline = clock() + PATIENCE_SECONDS
    state = ConnectionState("configuration")
    while True:
        try:
            document = places.read()
        except Unavailable as error:
            state.failed(str(error))
            left = deadline - clock()
            if left <= 0:
                raise
            sleep(min(backoff.next(), left))
        else:
            state.reached()
            return document
