"""Streams that are and were open, as GET /2/connections tells of them."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from simulator import problems
from simulator.answer import Answer
from simulator.clock import Clock, x_timestamp
from simulator.snowflake import SnowflakeIds

ENDPOINT_NAME = "filtered_stream"
FIELDS = ("id", "endpoint_name", "client_ip", "connected_at", "disconnected_at", "disconnect_reason")
MAX_PAGE = 100
DEFAULT_PAGE = 10
MOST_KEPT = 1000


class ConnectionHistory:
    """The last 1,000 streams. X API v2, "Get Connection History". Safe for several threads."""

    def __init__(self, ids: SnowflakeIds, clock: Clock) -> None:
        self._ids = ids
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, str]] = {}

    def opened(self, client_ip: str) -> str:
        """A stream was opened; its id."""
        connection_id = self._ids.fresh()
        with self._lock:
            self._kept[connection_id] = {
                "id": connection_id,
                "endpoint_name": ENDPOINT_NAME,
                "client_ip": client_ip,
                "connected_at": x_timestamp(self._clock.now()),
            }
            for oldest in list(self._kept)[: max(0, len(self._kept) - MOST_KEPT)]:
                del self._kept[oldest]
        return connection_id

    def closed(self, connection_id: str, reason: str) -> None:
        """It has ended; the first reason counts."""
        with self._lock:
            connection = self._kept.get(connection_id, {})
            if connection and "disconnected_at" not in connection:
                connection |= {"disconnected_at": x_timestamp(self._clock.now()), "disconnect_reason": reason}

    def page(self, query: Mapping[str, Sequence[str]]) -> Answer:
        """One page, the newest first; query: status, endpoints, connection.fields, max_results, pagination_token."""
        status = query.get("status", ["active"])[0]
        size = query.get("max_results", [str(DEFAULT_PAGE)])[0]
        token = query.get("pagination_token", [""])[0]
        fields = ",".join(query.get("connection.fields", FIELDS)).split(",")
        wrong = [
            f"The `{name}` query parameter value [{value}] is not {expected}"
            for name, value, good, expected in (
                ("status", status, status in ("active", "inactive", "all"), "one of [active,inactive,all]"),
                ("max_results", size, _is_number(size) and 1 <= int(size) <= MAX_PAGE, f"between 1 and {MAX_PAGE}"),
                ("pagination_token", token, not token or _is_number(token), "valid"),
                ("connection.fields", ",".join(fields), set(fields) <= set(FIELDS), f"one of [{','.join(FIELDS)}]"),
            )
            if not good
        ]
        if wrong:
            return Answer(400, problems.invalid_request(*wrong))
        endpoints = ",".join(query.get("endpoints", [ENDPOINT_NAME])).split(",")
        found = [one for one in self._newest_first(status) if one["endpoint_name"] in endpoints]
        if token:
            found = [one for one in found if int(one["id"]) < int(token)]
        page = found[: int(size)]
        meta: dict[str, Any] = {"result_count": len(page)}
        if len(page) < len(found):
            meta["next_token"] = page[-1]["id"]
        data = [{name: one[name] for name in FIELDS if name in fields and name in one} for one in page]
        return Answer(200, {"data": data, "meta": meta})

    def _newest_first(self, status: str) -> list[dict[str, str]]:
        with self._lock:
            kept = [dict(one) for one in reversed(self._kept.values())]
        return [one for one in kept if status in ("all", "inactive" if "disconnected_at" in one else "active")]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
