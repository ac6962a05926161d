"""What became of every post: the simulator's ledger against the recorder's, and against what the sample expects."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from classifier.cases import judged_text
from classifier.endpoint import TEXT_LIMIT
from pipeline.alerts_config import AlertsConfig
from stream_getter.x.payload import parse_post


@dataclass(frozen=True)
class SamplePost:
    """A post of the sample: what the model is to read of it, and what it is expected to be about."""

    id: str
    text: str
    language: str
    expected: frozenset[str]


@dataclass
class Accounts:
    """What is known of every post. One that shares its text with another (a repost) counts as judged with it.

    Ids are those of contracts (``x:…``). ``found`` are the labels that the recorded scores pass, by post.
    """

    sent_at: dict[str, float] = field(default_factory=dict)
    repeats_sent: int = 0
    finished: bool = False
    judged: set[str] = field(default_factory=set)
    found: dict[str, frozenset[str]] = field(default_factory=dict)
    notified_at: dict[str, float] = field(default_factory=dict)
    notified_label: dict[str, str] = field(default_factory=dict)
    notifications: Counter[str] = field(default_factory=Counter)

    @property
    def due(self) -> set[str]:
        """Posts that people must hear of."""
        return {id_ for id_, labels in self.found.items() if labels}

    @property
    def unjudged(self) -> set[str]:
        """Posts that were sent and never reached the model."""
        return self.sent_at.keys() - self.judged

    @property
    def missing(self) -> set[str]:
        """Posts that people must hear of and did not."""
        return self.due - self.notified_at.keys()

    @property
    def unexpected(self) -> set[str]:
        """Posts that people heard of without reason."""
        return self.notified_at.keys() - self.due

    @property
    def told_twice(self) -> set[str]:
        """Posts that people heard of more than once."""
        return {id_ for id_, count in self.notifications.items() if count > 1}

    @property
    def complete(self) -> bool:
        """Whether nothing more is to come."""
        return self.finished and not self.unjudged and not self.missing

    @property
    def balanced(self) -> bool:
        """Whether every post is accounted for: judged, and notified once if and only if it was due."""
        return self.complete and not self.unexpected and not self.told_twice

    def delays(self) -> list[float]:
        """Seconds from the post on the stream to its notification, sorted."""
        return sorted(at - self.sent_at[id_] for id_, at in self.notified_at.items() if id_ in self.sent_at)


def read_sample(files: Iterable[Path]) -> dict[str, SamplePost]:
    """The sample's posts by id."""
    posts = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            post = parse_post(json.dumps(row["post"]).encode(), datetime.now(UTC), trace_id="")
            text = judged_text(post)[:TEXT_LIMIT]
            posts[post.id] = SamplePost(post.id, text, row["language"], frozenset(row["expected"]))
    return posts


def take_accounts(
    simulator_ledger: Path, recorder_ledger: Path, sample: Mapping[str, SamplePost], config: AlertsConfig
) -> Accounts:
    """The accounts as they stand; posts that are not of the sample are left out."""
    return Bookkeeper(simulator_ledger, recorder_ledger, sample, config).take()


class Bookkeeper:
    """Takes the accounts again and again, and reads of each ledger only what is new."""

    def __init__(
        self, simulator_ledger: Path, recorder_ledger: Path, sample: Mapping[str, SamplePost], config: AlertsConfig
    ) -> None:
        self._simulator = _LedgerReader(simulator_ledger)
        self._recorder = _LedgerReader(recorder_ledger)
        self._sample = sample
        self._labels = config.labels
        self._accounts = Accounts()
        self._scores_of: dict[str, Mapping[str, float]] = {}

    def take(self) -> Accounts:
        """The accounts as they stand: always the same object."""
        accounts = self._accounts
        for event in self._simulator.new_events():
            if event["event"] == "finished":
                accounts.finished = True
            elif event["event"] == "sent" and (id_ := f"x:{event['id']}") in self._sample:
                accounts.sent_at.setdefault(id_, event["at"])
                accounts.repeats_sent += bool(event["repeat"])
        for event in self._recorder.new_events():
            if event["event"] == "judged":
                self._scores_of[event["text"]] = event["scores"]
            elif (id_ := event.get("story", "")) in self._sample:
                accounts.notified_at.setdefault(id_, event["at"])
                accounts.notified_label.setdefault(id_, event["label"])
                accounts.notifications[id_] += 1
        for id_ in accounts.sent_at:
            if (scores := self._scores_of.get(self._sample[id_].text)) is not None:
                accounts.judged.add(id_)
                accounts.found[id_] = frozenset(
                    label.name for label in self._labels if scores[label.candidate] >= label.threshold
                )
        return accounts


@dataclass(frozen=True)
class LabelQuality:
    """How a label's alerts compare with what was expected, in posts."""

    label: str
    expected: int
    alerted: int
    right: int


def compare(
    accounts: Accounts, sample: Mapping[str, SamplePost], labels: Sequence[str], english: bool
) -> list[LabelQuality]:
    """Per label over the posts in English, or over those in other languages."""
    posts = [sample[id_] for id_ in accounts.judged if (sample[id_].language == "en") is english]
    return [
        LabelQuality(
            label,
            expected=sum(label in post.expected for post in posts),
            alerted=sum(label in accounts.found[post.id] for post in posts),
            right=sum(label in post.expected & accounts.found[post.id] for post in posts),
        )
        for label in labels
    ]


class _LedgerReader:
    """The whole lines of a ledger that may still be written to, each of them once."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._read = 0  # bytes

    def new_events(self) -> Iterable[dict[str, Any]]:
        """What has been written since the last time."""
        if not self._ledger.exists():
            return
        with self._ledger.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    yield json.loads(line)
