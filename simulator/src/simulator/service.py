"""All parts put together: the same for the command, the tests and the benchmarks."""

import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from simulator.backfill import Backfill
from simulator.clock import Clock
from simulator.connection_history import ConnectionHistory
from simulator.connections import Connections
from simulator.fault_queue import FaultQueue
from simulator.faults import Fault, decode_faults, read_faults
from simulator.http_api import Api
from simulator.http_server import ApiServer
from simulator.injection import PostFactory
from simulator.ledger import Ledger
from simulator.pacing import FixedRate, Pace, Recorded, Unpaced
from simulator.player import Player
from simulator.playlist import playlist
from simulator.posts_file import load_lines
from simulator.rules import Rules
from simulator.settings import Mistake, Settings
from simulator.snowflake import SnowflakeIds
from simulator.usage import ProjectUsage


class Simulator:
    """A running stand-in for the X API, from `start` (or `with`) to `stop`.

    Making one reads the posts, opens the ledger and binds the port. Raises Mistake for what cannot work.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        clock = clock or Clock()
        lines = load_lines(settings.posts, need_created_at=settings.pace == "recorded")
        ids = SnowflakeIds(clock)
        rules = Rules(ids, clock, settings.max_rules)
        usage = ProjectUsage(cap=settings.project_cap, used=settings.project_usage, clock=clock)
        faults = _faults_of(settings.faults)
        self._ledger = Ledger(settings.ledger, clock)
        backfill = Backfill(clock)
        history = ConnectionHistory(ids, clock)
        self._connections = Connections(settings.connections, self._ledger, usage, backfill, history)
        self._faults = FaultQueue(self._connections.add_ghost)
        self._faults.add(faults)
        self._player = Player(
            playlist(lines, ids=ids, repeat_every=settings.repeat_every, loop=settings.loop),
            _pace(settings),
            self._connections,
            self._ledger,
            clock,
            restamp=settings.restamp,
            close_at_end=settings.then == "close",
            close_patience=settings.write_timeout,
        )
        self._ended = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._play, name="x-simulator-player", daemon=True)
        posts = PostFactory(ids, rules, clock)
        api = Api(
            settings,
            self._connections,
            history,
            backfill,
            rules,
            usage,
            posts,
            self._faults,
            self._ledger,
            clock,
            self.health,
        )
        try:
            self._server = ApiServer(api)
        except Mistake:
            self._ledger.close()
            raise

    @property
    def url(self) -> str:
        """The base address, such as http://127.0.0.1:40123."""
        return self._server.url

    def health(self) -> dict[str, Any]:
        """State (waiting, playing, finished), sent (posts written whole, per connection), connections."""
        return {
            "state": self._player.state,
            "sent": self._ledger.sent_count,
            "connections": len(self._connections),
        }

    @property
    def waiting_faults(self) -> list[Fault]:
        """Faults that have not acted yet, or not on all attempts."""
        return self._faults.waiting

    def add_faults(self, *faults: Fault | Mapping[str, Any]) -> None:
        """Faults that act after those that wait, one after the other. Raises Mistake for what cannot be a fault."""
        self._faults.add(read_faults(list(faults)))
        self._connections.let_faults_act()

    def clear_faults(self) -> int:
        """Forget the faults that wait; how many."""
        return self._faults.clear()

    def start(self) -> None:
        """Take requests; playing starts with the first stream."""
        self._server.start()
        self._thread.start()

    def stop(self) -> None:
        """End the streams and everything else. Raises what ended playing early, if anything did."""
        self._player.stop()
        self._connections.stop()
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._ledger.close()
        if self._failure is not None:
            raise self._failure

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until `request_stop` or a failure of playing; False when the time is over first."""
        return self._ended.wait(seconds)

    def request_stop(self) -> None:
        """Let `wait` return; safe in a signal handler."""
        self._ended.set()

    def __enter__(self) -> "Simulator":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _play(self) -> None:
        try:
            self._player.run()
        except Exception as failure:  # noqa: BLE001 (handed to the thread that calls stop)
            self._failure = failure
            self._ended.set()


def _faults_of(path: Path | None) -> list[Fault]:
    if path is None:
        return []
    try:
        return decode_faults(path.read_bytes())
    except OSError as error:
        raise Mistake(f"--faults {path}: expected a readable file, found: {error.strerror}") from error
    except Mistake as mistake:
        raise Mistake(f"--faults {path}: {mistake}") from mistake


def _pace(settings: Settings) -> Pace:
    if settings.rate is not None:
        return FixedRate(settings.rate)
    if settings.pace == "recorded":
        return Recorded(settings.speed)
    return Unpaced()
