"""The command behind `make demo`."""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from demo.accounts import Accounts, read_sample, take_accounts
from demo.processes import ProcessDied, ProcessGroup
from demo.road import ADDRESS, ROOT, SERVICES, SIMULATED, STATE, NotStarted, Road
from demo.stack import StackNotMade
from demo.summary import summary
from pipeline.alerts_config import AlertsConfig, read_alerts_config
from pipeline.errors import UserMistake
from stream_getter.sources import SOURCES

SAMPLE = (ROOT / "samples/posts_dev.jsonl", ROOT / "samples/posts_test.jsonl")
FOLDER = ADDRESS.parent
#: Seconds without anything new after which posts that are still missing count as lost.
PATIENCE = 60.0
#: Ctrl-C, a supervisor's request, and a terminal that was closed.
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    """Exits with 0 when every post is accounted for (or at Ctrl-C after the sample), 1 if not, 2 for a mistake.

    With a source other than the simulated one it runs until Ctrl-C, and then exits with 130.
    """
    parser = argparse.ArgumentParser(prog="make demo", description="The whole road on this machine.")
    parser.add_argument("--once", action="store_true", help="end after the sample")
    parser.add_argument(
        "--source", choices=SOURCES, default=SIMULATED, help="where posts come from; x is simulated (default: x)"
    )
    parser.add_argument("--rate", type=float, default=20.0, help="posts per second (default: %(default)s)")
    parser.add_argument("--config", type=Path, default=ROOT / "config/alerts.yaml", help="labels and routes")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for the ledgers (default: .demo)")
    parser.add_argument("--log-level", default="INFO", help="of the services (default: %(default)s)")
    options = parser.parse_args()
    if options.once and options.source != SIMULATED:
        parser.error(f"--once: expected --source {SIMULATED}, whose sample has an end, got {options.source}")
    started = time.monotonic()
    try:
        config = read_alerts_config(options.config)
    except UserMistake as mistake:
        print(f"demo: {mistake}", file=sys.stderr)
        sys.exit(2)
    options.folder.mkdir(parents=True, exist_ok=True)
    for old in (*options.folder.glob("*.jsonl"), options.folder / ADDRESS.name):
        old.unlink(missing_ok=True)
    # a cursor of yesterday would bring a day of posts
    shutil.rmtree(options.folder / STATE, ignore_errors=True)
    group = ProcessGroup(sys.stdout, width=max(map(len, (*SERVICES, "simulator"))))
    road = Road(
        group,
        options.folder.resolve(),
        SAMPLE,
        options.rate,
        options.config.resolve(),
        options.log_level,
        options.source,
    )
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    code = 130
    try:
        road.start()
        if options.source != SIMULATED:
            group.say(f"posts come from {options.source} and alerts appear here; Ctrl-C ends everything")
            road.wait_until(lambda: False, float("inf"))
        code = _play(group, road, config, started)
        if not options.once:
            (options.folder / ADDRESS.name).write_text(road.simulator_url)
            group.say('the stream stays open: try  make post TEXT="..."  in another terminal; Ctrl-C ends everything')
            road.wait_until(lambda: False, float("inf"))
    except (NotStarted, ProcessDied, StackNotMade, BotoCoreError, ClientError) as error:
        group.say(f"failed: {error}")
        code = 1
    except KeyboardInterrupt:
        group.say("stopping")
    except BrokenPipeError:
        # nobody reads any more; Python would complain again when it flushes at its own end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    finally:
        # a second Ctrl-C must not leave processes behind
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        road.stop()
        group.flush()
    sys.exit(code)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _play(group: ProcessGroup, road: Road, config: AlertsConfig, started: float) -> int:
    """Follows the sample to its end and prints the summary; 0 if every post is accounted for."""
    sample = read_sample(SAMPLE)
    ledgers = road.ledgers
    latest = _Latest(group, lambda: take_accounts(ledgers.simulator, ledgers.recorder, sample, config), started)
    while not road.wait_until(latest.is_complete, 1.0):
        if latest.seconds_without_news() > PATIENCE:
            break
    # what should not come gets the time to come
    road.wait_until(lambda: False, 2.0)
    accounts = latest.take()
    group.flush()
    print(summary(accounts, sample, [label.name for label in config.labels]), flush=True)
    return 0 if accounts.balanced else 1


class _Latest:
    """The accounts as they grow; says when the first alert has arrived."""

    def __init__(self, group: ProcessGroup, take: Callable[[], Accounts], started: float) -> None:
        self._group = group
        self._take = take
        self._started = started
        self._alerted = False
        self._size = -1
        self._changed_at = time.monotonic()

    def take(self) -> Accounts:
        """The accounts of this moment."""
        accounts = self._take()
        size = len(accounts.sent_at) + len(accounts.judged) + len(accounts.notified_at)
        if size != self._size:
            self._size = size
            self._changed_at = time.monotonic()
        if accounts.notified_at and not self._alerted:
            self._alerted = True
            self._group.say(f"first alert {time.monotonic() - self._started:.1f} s after the start")
        return accounts

    def is_complete(self) -> bool:
        """Whether nothing more is to come."""
        return self.take().complete

    def seconds_without_news(self) -> float:
        """Since the accounts last grew."""
        return time.monotonic() - self._changed_at


if __name__ == "__main__":
    main()
