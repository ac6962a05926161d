"""classifier itself: the command, started by its settings, measured from outside."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM

import msgspec
import psutil

from bench.classifier.queues import Queues, Road, dead_letters
from bench.classifier.ways import ENDPOINT_NAME, Labels
from bench.pipeline.comparison import NotDone
from pipeline.alerts_config import read_alerts_config
from pipeline.contracts import Post
from tests.support.service_process import Run, asked, variables_for

_CONFIG = Path(__file__).resolve().parents[2] / "config/alerts.yaml"
#: Seconds for the service to be ready, to end, and for its queue to be emptied.
_START_SECONDS = 60.0
_END_SECONDS = 30.0
_LONGEST = 300.0
#: Seconds between two looks at the queue: often only near the end, for each costs server and machine some time.
_SELDOM, _OFTEN = 0.25, 0.01


@dataclass(frozen=True)
class Cost:
    """Seconds until everything was settled, and seconds of the process's processor time, user and system."""

    seconds: float
    processor_seconds: float


class Service:
    """One classifier with queues and an endpoint of its own."""

    def __init__(self, process: "subprocess.Popen[str]", queues: Queues, road: Road) -> None:
        self.road = road
        self._process = process
        self._usage = psutil.Process(process.pid)
        self._queues = queues

    def settle(self, posts: Sequence[Post]) -> Cost:
        """Fills its queue while the process is stopped, and lets it go. Raises NotDone."""
        with self._held():
            self._queues.fill(self.road.posts, posts)
            began, processor_began = time.perf_counter(), self._processor_seconds()
        self.wait_until_settled(len(posts))
        return Cost(time.perf_counter() - began, self._processor_seconds() - processor_began)

    def wait_until_settled(self, posts: int) -> None:
        """Returns once nothing of so many posts is in its queue or in hand. Raises NotDone."""
        deadline = time.perf_counter() + _LONGEST
        while left := self._queues.count(self.road.posts):
            if self._process.poll() is not None:
                raise NotDone(f"classifier ended by itself: {_last_line(self._process)}")
            if time.perf_counter() > deadline:
                raise NotDone(f"classifier: expected an empty queue within {_LONGEST:.0f} s, got {left} posts in it")
            time.sleep(max(_OFTEN, min(_SELDOM, left / max(1, posts))))
        if lost := self._queues.count(dead_letters(self.road)):
            raise NotDone(f"classifier: expected no dead letters, got {lost}")

    @property
    def resident_mb(self) -> float:
        """Megabytes (2**20 bytes) of memory."""
        return float(self._usage.memory_info().rss / 2**20)

    def _processor_seconds(self) -> float:
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    @contextmanager
    def _held(self) -> Iterator[None]:
        self._process.send_signal(SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(SIGCONT)


@contextmanager
def running_service(start: Run, folder: Path, queues: Queues, endpoint_url: str, road: Road) -> Iterator[Service]:
    """A classifier that is ready. At the end it must leave with 0. Raises NotDone."""
    variables = {
        **variables_for("classifier", queues.server.late_url or queues.server.url, write_config(folder), endpoint_url),
        "ENDPOINT_NAME": ENDPOINT_NAME,
        "POSTS_QUEUE_URL": road.posts,
        "POSTS_DEAD_LETTER_QUEUE_URL": dead_letters(road),
        "ALERTS_QUEUE_URL": road.alerts,
        "LOG_LEVEL": "WARNING",
        "NO_PROXY": "127.0.0.1",
    }
    process = start("classifier", variables)
    deadline = time.monotonic() + _START_SECONDS
    while (answer := asked(variables, "/readyz")) is None or answer.status_code != 200:
        if process.poll() is not None:
            raise NotDone(f"classifier ended by itself: {_last_line(process)}")
        if time.monotonic() > deadline:
            said = "no answer" if answer is None else answer.text.strip()
            raise NotDone(f"classifier: expected it to be ready within {_START_SECONDS:.0f} s, got: {said}")
        time.sleep(0.05)
    yield Service(process, queues, road)
    process.send_signal(SIGTERM)
    try:
        _, log = process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NotDone(f"classifier: expected it to end within {_END_SECONDS:.0f} s after SIGTERM") from error
    if process.returncode or log:
        raise NotDone(f"classifier: expected an end with 0 and no warning, got {process.returncode} and: {log.strip()}")


def read_labels() -> Labels:
    """Those of config/alerts.yaml."""
    config = read_alerts_config(_CONFIG)
    return Labels({label.candidate: label.threshold for label in config.labels}, config.hypothesis_template)


def write_config(folder: Path) -> Path:
    """config/alerts.yaml with nothing but its labels' names, words and thresholds, for these alone are compared."""
    config = read_alerts_config(_CONFIG)
    labels = [{"name": each.name, "description": each.candidate, "threshold": each.threshold} for each in config.labels]
    channels, routes = {"terminal": {"type": "stdout"}}, [{"channels": ["terminal"]}]
    file = folder / "alerts.yaml"
    # JSON is YAML
    document = {"labels": labels, "channels": channels, "routes": routes}
    file.write_bytes(msgspec.json.encode({**document, "hypothesis_template": config.hypothesis_template}))
    return file


def _last_line(process: "subprocess.Popen[str]") -> str:
    _, log = process.communicate()
    return log.strip().splitlines()[-1] if log.strip() else f"exit code {process.returncode}"
