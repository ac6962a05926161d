"""What a connection attempt gets instead of a stream, when a fault says so."""

from typing import NamedTuple

import msgspec

from simulator import problems
from simulator.clock import Clock
from simulator.faults import Fault

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
HTML_PAGE = b"<!DOCTYPE html><html><head><title>X</title></head><body>Something went wrong.</body></html>\n"
RATE_LIMIT_SECONDS = 900.0


class Refusal(NamedTuple):
    """A whole HTTP answer."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]


def refusal(fault: Fault, clock: Clock) -> Refusal | None:
    """The answer that a fault gives to an attempt; None for a fault that is none of these."""
    match fault.what:
        case "rate-limit":
            seconds = RATE_LIMIT_SECONDS if fault.seconds is None else fault.seconds
            headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(int(clock.now() + seconds))}
            return _json(429, problems.rate_limit(), headers)
        case "too-many-connections":
            return _json(429, problems.too_many_connections())
        case "status":
            return _json(fault.status, problems.of_status(fault.status))
        case "html-page":
            return Refusal(200, HTML, HTML_PAGE, {})
        case "no-stream":
            return _json(200, {"meta": {"result_count": 0}})
        case _:
            return None


def _json(status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> Refusal:
    return Refusal(status, JSON, msgspec.json.encode(body), headers or {})
