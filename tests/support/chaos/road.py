"""The whole road: X, the three services, their queues and topic, the model; and the doors that tests close."""

import os
import random
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from demo.accounts import Accounts, Bookkeeper, read_sample
from demo.recorder import Ledger
from demo.road import SERVICES, free_ports
from demo.stack import create_stack, service_environment
from pipeline.alerts_config import parse_alerts_config
from tests.support.chaos.http_proxy import HttpProxy, Outage
from tests.support.chaos.keyword_model import KeywordModel
from tests.support.chaos.posts import LABEL, write_posts
from tests.support.chaos.queue_books import HandOut, QueueBooks
from tests.support.chaos.service import Service
from tests.support.chaos.topic_witness import TopicWitness
from tests.support.emulator import running_emulator
from tests.support.polling import wait_until
from tests.support.service_process import TOKEN, Variables, variables_for

#: Seconds that a process may take to be ready.
START_SECONDS = 60.0
#: Posts a second. Three services, their doors and the emulator share two cores with the test.
RATE = 30.0
#: Calls that classifier may have under way, and texts in each: few, so that an outage soon meets more posts than it may
#: have in hand.
CALLS = 2
BATCH_TEXTS = 10
#: Minutes that stream-getter asks X for after a restart, so that what it held when it was killed comes again. The
#: least that there is, for each restart brings all of it.
_BACKFILL_MINUTES = 1
#: Seconds that the model takes for an answer.
_MODEL_SECONDS = 0.02
_COUNT = "ApproximateNumberOfMessages"
_CONFIG = f"""
labels: [{{name: {LABEL}, threshold: 0.5}}]
channels: {{desk: {{type: sns}}}}
routes: [{{channels: [desk]}}]
"""


class Road:
    """Runs while its context is open, and plays posts for ``seconds``, but for the times without a connection.

    ``folder`` takes ledgers and logs; ``rng`` makes the posts. ``due`` are the ids of those that people must hear of.
    ``queues`` are the URLs of all queues by name (``posts``, ``posts-dlq`` and so on), ``sqs`` a client past the doors.
    ``may_come_twice`` are the MessageIds of what was in flight when ``cut_off_queues`` broke its way.
    """

    def __init__(self, folder: Path, rng: random.Random, seconds: float) -> None:
        self._folder = folder
        self._rng = rng
        self._posts = int(seconds * RATE)
        self._parts = ExitStack()
        self.may_come_twice: set[str] = set()

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            emulator = parts.enter_context(running_emulator(self._folder / "emulator.log"))
            outputs = service_environment(create_stack(emulator.url, app="road", env="chaos"))
            urls = (url for name, url in outputs.items() if name.endswith("_QUEUE_URL"))
            self.queues = {url.rpartition("/road-chaos-")[2]: url for url in urls}
            self.sqs = emulator.client("sqs")
            ledger = Ledger(self._folder / "recorder.jsonl")
            parts.callback(ledger.close)
            self.model = parts.enter_context(KeywordModel(ledger, _MODEL_SECONDS))
            self.model_door = parts.enter_context(HttpProxy(self.model.url))
            witness = TopicWitness(self.sqs, emulator.client("sns"), outputs["SNS_TOPIC_ARN"], ledger)
            parts.enter_context(witness)
            x_url = self._start_simulator(parts)
            self._start_bookkeeping()
            (self._folder / "alerts.yaml").write_text(_CONFIG)
            self._tools = {**emulator.environment, **outputs, "PATH": os.environ["PATH"]}
            self.services = {}
            for name in SERVICES:
                books = QueueBooks()
                door = parts.enter_context(HttpProxy(emulator.url, books))
                service = self.services[name] = Service(name, self._folder, door, books)
                parts.callback(service.clean_up)
                service.start(self._variables(service, outputs, x_url))
            self._parts = parts.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parts.close()

    def accounts(self) -> Accounts:
        """What has become of every post, as it stands."""
        return self._bookkeeper.take()

    def wait_until_ready(self) -> None:
        """Until every service is. Raises AssertionError where one has ended by itself."""
        for service in self.services.values():
            wait_until(service.is_ready, f"{service.name} to be ready", START_SECONDS)

    def cut_off_queues(self, outage: Outage) -> None:
        """Queues and topic are gone, for every service."""
        for service in self.services.values():
            service.door.cut_off(outage)
        self.may_come_twice |= self._in_hand()

    def restore_queues(self) -> None:
        """They are back."""
        # polls that were under way at the cut have been answered meanwhile, to nobody
        self.may_come_twice |= self._in_hand()
        for service in self.services.values():
            service.door.restore()

    def hand_outs(self) -> list[HandOut]:
        """All messages that any service was handed out."""
        return [hand_out for service in self.services.values() for hand_out in service.books.hand_outs()]

    def end_claims_of_the_dead(self) -> None:
        """Does now what the queues do when the visibility timeout of what nobody holds any more is over."""
        for service in self.services.values():
            service.books.end_claims_on_orphans(self.sqs)

    def depths(self) -> dict[str, int]:
        """How many messages each queue has, whether visible, in flight or delayed."""
        return {queue: sum(self._counts(queue).values()) for queue in self.queues}

    def visible(self, queue: str) -> int:
        """How many messages of a queue wait to be received."""
        return self._counts(queue)[_COUNT]

    def hidden(self, queue: str) -> int:
        """How many messages of a queue are received and neither deleted nor visible."""
        return self._counts(queue)[f"{_COUNT}NotVisible"]

    def end_stream(self) -> None:
        """X ends its stream and has no more to say."""
        self._simulator.send_signal(signal.SIGTERM)
        assert self._simulator.wait(START_SECONDS) == 0

    def end_services(self) -> None:
        """SIGTERM to all. Raises AssertionError where one does not end in time and with 0."""
        for service in self.services.values():
            service.begin_to_end()
        for service in self.services.values():
            service.assert_ends_well()

    def redrive_posts(self) -> str:
        """Sends the dead letters of posts back, by the command that people use; what it says of itself."""
        command = [sys.executable, "-m", "pipeline", "dead-letters", "redrive", "posts", "--yes", "--rate", "unlimited"]
        done = subprocess.run(command, env=self._tools, capture_output=True, text=True, timeout=START_SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _counts(self, queue: str) -> dict[str, int]:
        names = [_COUNT, f"{_COUNT}NotVisible", f"{_COUNT}Delayed"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queues[queue], AttributeNames=names)
        return {name: int(answer["Attributes"][name]) for name in names}

    def _in_hand(self) -> set[str]:
        return {hand_out.message_id for service in self.services.values() for hand_out in service.books.in_hand()}

    def _start_simulator(self, parts: ExitStack) -> str:
        posts = self._folder / "posts.jsonl"
        write_posts(posts, self._posts, self._rng)
        (port,) = free_ports(1)
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "simulator", "--port", str(port), "--ledger", str(self._simulator_ledger)]
        command += ["--bearer-token", TOKEN, "--rate", str(RATE), "--restamp", "--posts", str(posts)]
        with (self._folder / "simulator.log").open("wb") as log:
            self._simulator = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        parts.callback(self._simulator.wait)
        parts.callback(self._simulator.kill)
        wait_until(lambda: _answers(f"{url}/simulator/health"), "the simulator", START_SECONDS)
        return url

    def _start_bookkeeping(self) -> None:
        sample = read_sample([self._folder / "posts.jsonl"])
        self.due = frozenset(id_ for id_, post in sample.items() if post.expected)
        config = parse_alerts_config(_CONFIG, "alerts.yaml")
        self._bookkeeper = Bookkeeper(self._simulator_ledger, self._folder / "recorder.jsonl", sample, config)

    @property
    def _simulator_ledger(self) -> Path:
        return self._folder / "simulator.jsonl"

    def _variables(self, service: Service, outputs: Variables, x_url: str) -> Variables:
        elsewhere = x_url if service.name == "stream-getter" else self.model_door.url
        variables = variables_for(service.name, service.door.url, self._folder / "alerts.yaml", elsewhere)
        if service.name == "stream-getter":
            variables["X_BACKFILL_MINUTES"] = str(_BACKFILL_MINUTES)
        if service.name == "classifier":
            variables |= {"WORKERS": str(CALLS), "BATCH_TEXTS": str(BATCH_TEXTS)}
        return variables | outputs | {"AWS_ENDPOINT_URL_SNS": service.door.url}


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2, proxies={"http": ""}).ok
    except requests.RequestException:
        return False
