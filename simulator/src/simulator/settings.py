"""What a simulator can be told, with one check for the command and for tests alike."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


class Mistake(Exception):
    """Something the user gave that cannot work; the message is one line: what, expected, found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All options of the simulator. Durations are seconds. Raises Mistake for a value that cannot work."""

    bearer_token: str
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 1
    keep_alive: float = 20.0
    write_timeout: float = 60.0
    posts: tuple[Path, ...] = ()
    rate: float | None = None
    pace: Literal["recorded"] | None = None
    speed: float = 1.0
    restamp: bool = False
    repeat_every: int | None = None
    loop: bool = False
    then: Literal["keep-open", "close"] = "keep-open"
    ledger: Path | None = None
    project_cap: int = 3_000_000
    project_usage: int = 0
    max_rules: int = 1000
    faults: Path | None = None

    def __post_init__(self) -> None:
        if not self.bearer_token:
            raise Mistake("no bearer token: set the environment variable X_BEARER_TOKEN or give --bearer-token")
        if not 0 <= self.port <= 65535:
            raise Mistake(f"--port: expected 0 to 65535, found {self.port}")
        for option, value in (("--keep-alive", self.keep_alive), ("--write-timeout", self.write_timeout)):
            _require_positive(option, value)
        _require_positive("--speed", self.speed)
        if self.rate is not None:
            _require_positive("--rate", self.rate)
        for option, count in (
            ("--connections", self.connections),
            ("--repeat-every", self.repeat_every),
            ("--max-rules", self.max_rules),
        ):
            if count is not None and count < 1:
                raise Mistake(f"{option}: expected a whole number from 1 up, found {count}")
        for option, count in (("--project-cap", self.project_cap), ("--project-usage", self.project_usage)):
            if count < 0:
                raise Mistake(f"{option}: expected a whole number from 0 up, found {count}")
        if self.rate is not None and self.pace is not None:
            raise Mistake("--rate and --pace: expected one of them, found both")
        if self.speed != 1.0 and self.pace is None:
            raise Mistake("--speed: expected together with --pace recorded, found it alone")


def _require_positive(option: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise Mistake(f"{option}: expected a number above 0, found {value:g}")
