"""What came of each post of a trial: scores and decisions as arrays, texts only of the posts that went most wrong.

Bytes for each post: 8 + 10 for each label, so 100,000 posts and 20 labels take 21 MB.
"""

import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from classifier.cases import Answered, Case, Judged
from classifier.endpoint_errors import ContentRefused
from classifier.evaluate.curve import NEVER
from classifier.evaluate.labelled_post import NONE
from classifier.evaluate.report import NOTHING, RefusedPost
from classifier.evaluate.wrong_posts import WrongPost, WrongPosts, shown
from classifier.labels import Labels
from pipeline.alerts_config import AlertsConfig
from pipeline.contracts import Post
from pipeline.hostile_text import one_line
from pipeline.label_config import Label
from pipeline.received_message import ReceivedMessage

#: Refused posts that are listed.
_MOST_REFUSED = 20
#: Of what the endpoint says of one.
_REASON_LENGTH = 200
#: Of a label that the configuration lacks, and of a post's id.
_NAME_LENGTH = 60
_ID_LENGTH = 100
#: Other labels that are told apart among a label's confusions; the rest count as one.
_MOST_CONFUSED = 1000
_OTHERS = "(others)"
#: Nothing is made of when a post was judged.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class LabelledCase(Case):
    """``row`` counts the posts of the trial from 0; ``about`` are labels of the configuration, ``strangers`` others.

    Strangers are kept as they are told: in order, cut, harmless on a terminal, and once where they look alike.
    """

    __slots__ = ("about", "line", "row", "strangers")

    def __init__(
        self, message: ReceivedMessage, post: Post, row: int, line: int, about: frozenset[str], strangers: Sequence[str]
    ) -> None:
        super().__init__(message, post)
        self.row = row
        self.line = line
        self.about = about
        self.strangers = sorted({one_line(name, _NAME_LENGTH) for name in strangers})


class LabelRecord:
    """One label's, by row. ``scores`` are NEVER where no threshold would let the post pass."""

    def __init__(self, label: Label, rows: int, worst: int) -> None:
        self.label = label
        self.scores = array("d", [NEVER]) * rows
        self.about = bytearray(rows)
        self.passed = bytearray(rows)
        self.not_asked = 0
        self.vetoed = 0
        #: labels that passed for posts about this one, and what posts are about that this one passed for
        self.missed: Counter[str] = Counter()
        self.false_alarms: Counter[str] = Counter()
        self.worst = WrongPosts(worst)


class Record:
    """Of at most ``rows`` posts. Safe for several threads while it is filled, with one configuration's ``Labels``."""

    def __init__(self, config: AlertsConfig, rows: int, worst: int) -> None:
        self.labels = {label.name: LabelRecord(label, rows, worst) for label in config.labels}
        self.keys = array("Q", [0]) * rows
        self.judged = bytearray(rows)
        self.refused: list[RefusedPost] = []
        self.refused_count = 0
        self._lock = threading.Lock()
        self._listener: Callable[[LabelledCase, frozenset[str]], None] | None = None
        # with thresholds of 0 a verdict tells what may pass at all: what no competing label keeps back
        everything = [msgspec.structs.replace(label, threshold=0.0) for label in config.labels]
        self._unhindered = Labels(msgspec.structs.replace(config, labels=everything))

    def listen(self, listener: Callable[[LabelledCase, frozenset[str]], None]) -> None:
        """Is told of each post that is judged from now on, and of the labels that it passes; one post at a time."""
        self._listener = listener

    def take(self, answered: Iterable[Answered]) -> None:
        """Answers, of LabelledCases."""
        with self._lock:
            for case, answer in answered:
                if not isinstance(case, LabelledCase):
                    raise TypeError(f"expected a labelled case, got {type(case).__name__}")
                self.keys[case.row] = int.from_bytes(case.says[:8], "big")
                if isinstance(answer, ContentRefused):
                    self._refuse(case, answer)
                elif isinstance(answer, Judged):
                    self._judge(case, answer)
                else:
                    self._note(case, {}, frozenset(), frozenset())

    def _refuse(self, case: LabelledCase, refusal: ContentRefused) -> None:
        self.refused_count += 1
        if len(self.refused) < _MOST_REFUSED:
            reason = one_line(str(refusal), _REASON_LENGTH)
            self.refused.append(RefusedPost(case.line, one_line(case.post.id, _ID_LENGTH), reason, shown(case.text)))

    def _judge(self, case: LabelledCase, answer: Judged) -> None:
        label_set, scores = case.label_set, answer.scores
        by_name = {label.name: scores[index] for index, label in enumerate(label_set.asked)}
        alert = label_set.verdict(case.post, scores, answer.model, _NO_TIME).alert
        passed = frozenset(label.name for label in alert.labels) if alert else frozenset()
        unhindered = self._unhindered.for_post(case.post)
        may_pass: frozenset[str] = frozenset()
        if unhindered and (told := unhindered.verdict(case.post, scores, answer.model, _NO_TIME).alert):
            may_pass = frozenset(label.name for label in told.labels)
        self._note(case, by_name, may_pass, passed)

    def _note(
        self, case: LabelledCase, scores: Mapping[str, float], may_pass: frozenset[str], passed: frozenset[str]
    ) -> None:
        row = case.row
        self.judged[row] = 1
        if self._listener:
            self._listener(case, passed)
        for name, record in self.labels.items():
            is_about = name in case.about
            score = scores.get(name)
            record.about[row] = is_about
            record.passed[row] = name in passed
            if score is None:
                record.not_asked += 1
            elif name in may_pass:
                record.scores[row] = score
            else:
                record.vetoed += 1
            if is_about != (name in passed):
                self._wrong(record, case, score, passed, is_vetoed=score is not None and name not in may_pass)

    def _wrong(
        self, record: LabelRecord, case: LabelledCase, score: float | None, passed: frozenset[str], *, is_vetoed: bool
    ) -> None:
        is_missed = record.label.name in case.about
        if is_missed:
            instead = sorted(passed - case.about)
            _count(record.missed, instead or [NOTHING])
        else:
            _count(record.false_alarms, [*sorted(case.about), *case.strangers] or [NONE])
        # what was not asked is no fault of the model: shown where there is room
        distance = 0.0 if score is None else abs(score - record.label.threshold)
        if not record.worst.would_keep(distance, case.line):
            return
        why = "not asked" if score is None else "vetoed" if is_vetoed else "below threshold" if is_missed else ""
        wrong = WrongPost(
            line=case.line,
            id=one_line(case.post.id, _ID_LENGTH),
            kind="missed" if is_missed else "false alarm",
            why=why,
            score=None if score is None else round(score, 4),
            about=[*sorted(case.about), *case.strangers],
            passed=sorted(passed),
            text=shown(case.text),
        )
        record.worst.add(distance, wrong)


def _count(counter: Counter[str], names: Iterable[str]) -> None:
    for name in names:
        counter[name if name in counter or len(counter) < _MOST_CONFUSED else _OTHERS] += 1
