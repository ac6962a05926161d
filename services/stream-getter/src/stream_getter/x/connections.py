"""Frees the slot of a connection that X still counts though its reader is gone (X API v2, "Stream Connections").

Opt-in (X_RESET_STALE_CONNECTIONS): X ends all connections of the token's app, whoever holds them.
"""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus

import msgspec
import requests

from pipeline.errors import UserMistake
from pipeline.logs import get_logger
from stream_getter.metrics import Metrics
from stream_getter.x.api import XApi, body_of
from stream_getter.x.refusal import refusal_of
from stream_getter.x.settings import XSettings

log = get_logger(__name__)

CONNECTIONS_PATH = "/2/connections"
RESET_PATH = "/2/connections/all"
#: Refusals in a row before anything is ended: after three (5 and 10 s apart) a connection that only lingers is gone.
PATIENCE = 3
#: Seconds between two resets.
PAUSE_SECONDS = 300.0


class _Connection(msgspec.Struct):
    disconnected_at: str | None = None


class _Connections(msgspec.Struct):
    data: list[_Connection] = []


class _Reset(Exception):
    """It did not work; the message says why."""


class StaleConnections:
    """Ends X's connections of this app once too many were reported ``PATIENCE`` times in a row, and then not for long.

    ``clock`` is monotonic, in seconds. Used by the stream's thread alone.
    """

    def __init__(self, api: XApi, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._metrics = metrics
        self._clock = clock
        self._refusals = 0
        self._next = -float("inf")

    def connected(self) -> None:
        """A connection was let in: what is refused later is a new trouble."""
        self._refusals = 0

    def refused(self, stopping: threading.Event) -> bool:
        """X has refused one connection more as too many; whether all were ended now, and a try is worth it soon.

        Ends none for a service that is about to end itself (``stopping``).
        Never raises for what X or the network does: that is told in the log, and tried again after the pause.
        """
        self._refusals += 1
        if self._refusals < PATIENCE or self._clock() < self._next:
            return False
        self._next = self._clock() + PAUSE_SECONDS
        try:
            if not (open_ := self._open()):
                self._told("none open", "X counts too many connections and lists none, so none is ended")
                return False
            if stopping.is_set():
                return False
            self._end_all()
        except _Reset as error:
            self._told("failed", "stale connections could not be ended", reason=self._api.without_token(str(error)))
            return False
        except requests.RequestException as error:
            self._told("failed", "stale connections could not be ended", reason=self._api.in_short(error))
            return False
        self._told("ended", "ended all connections that X counted for this app", connections=open_)
        return True

    def _open(self) -> int:
        with self._api.ask("GET", CONNECTIONS_PATH, {"status": "active"}) as response:
            if response.status_code != HTTPStatus.OK:
                raise _Reset(f"GET {CONNECTIONS_PATH}: {refusal_of(response, self._api.without_token).reason}")
            try:
                listed = msgspec.json.decode(body_of(response), type=_Connections).data
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise _Reset(f"GET {CONNECTIONS_PATH}: expected a list of connections ({error})") from error
        return sum(connection.disconnected_at is None for connection in listed)

    def _end_all(self) -> None:
        with self._api.ask("DELETE", RESET_PATH) as response:
            if response.status_code // 100 != HTTPStatus.OK // 100:
                raise _Reset(f"DELETE {RESET_PATH}: {refusal_of(response, self._api.without_token).reason}")

    def _told(self, result: str, event: str, **values: object) -> None:
        self._metrics.connection_resets.labels(result).inc()
        log.warning(event, **values)


def stale_connections(settings: XSettings, api: XApi, metrics: Metrics) -> StaleConnections | None:
    """As the settings have it. Raises UserMistake where the one would end the other reader's connection."""
    if settings.x_reset_stale_connections == "no":
        return None
    if settings.x_readers > 1:
        raise UserMistake(
            "environment: X_RESET_STALE_CONNECTIONS: expected no with X_READERS=2, where it would end the other"
            " reader's connection, got yes"
        )
    return StaleConnections(api, metrics)
