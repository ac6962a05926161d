"""Where posts wait for their judgement, each text once: as bookkeeping alone, without I/O.

Who calls what when: the intake submits cases; callers take batches of questions and say what came of them. A question
is one text and the labels that it is asked about, whichever posts say it. A post that says the same as another is
answered from the cache, or joins the question that waits or is under way; so no text is under way twice.

Every case that was submitted comes back exactly once: from ``submit`` (known already, or asked about nothing), from
``answered``, from ``withdraw`` and ``close`` (nobody answered), or, after ``change`` and ``ask_again``, from one of
these once more.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from classifier.batch_size import BatchSize
from classifier.cases import Answer, Answered, Case, Judged, NotAsked
from classifier.judgement_cache import JudgementCache, Key
from classifier.labels import Labels, LabelSet
from classifier.metrics import Metrics


class Question:
    """A text that is to be judged, for all the cases that say it. For the desk; callers read ``text`` alone."""

    __slots__ = ("asked_at", "cases", "key", "text")

    def __init__(self, key: Key, case: Case, asked_at: float) -> None:
        self.key = key
        self.text = case.text
        self.cases = [case]
        self.asked_at = asked_at


class Batch:
    """Questions for one call, about the same labels."""

    def __init__(self, label_set: LabelSet, questions: Sequence[Question]) -> None:
        self.label_set = label_set
        self.questions = questions


class Desk:
    """Safe for several threads. ``wait_seconds`` is what a question waits for company at most, while a caller is free.

    What ``model`` answers is kept; what another does, which stood in for it, holds for the cases in hand alone.
    ``clock`` gives seconds that never go back.
    """

    def __init__(
        self,
        labels: Labels,
        size: BatchSize,
        cache: JudgementCache,
        model: str,
        metrics: Metrics,
        wait_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._labels = labels
        self._size = size
        self._cache = cache
        self._model = model
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._answers = metrics.answers
        self._work = threading.Condition()
        self._waiting: dict[LabelSet, deque[Question]] = {}  # oldest first; none of them is empty
        self._open: dict[Key, Question] = {}  # waiting or under way
        self._closed = False

    def submit(self, cases: Iterable[Case]) -> list[Answered]:
        """Takes cases; returned are those that are answered already. After ``close`` it does nothing."""
        with self._work:
            return [] if self._closed else self._submit(cases)

    def take(self, timeout: float) -> Batch | None:
        """What to ask next, as soon as it is due; None after ``timeout`` seconds without, or once closed."""
        deadline = self._clock() + timeout
        with self._work:
            while not self._closed:
                now = self._clock()
                due = self._due_at()
                if due is not None and due <= now:
                    return self._next_batch()
                if now >= deadline:
                    return None
                self._work.wait(min(deadline, due or deadline) - now)
        return None

    def answered(self, questions: Sequence[Question], answers: Sequence[Answer]) -> list[Answered]:
        """Some or all questions of a batch with their answers, in the same order."""
        done: list[Answered] = []
        with self._work:
            for question, answer in zip(questions, answers, strict=True):
                del self._open[question.key]
                labels, _combination = question.key[1]
                if isinstance(answer, Judged) and answer.model == self._model and not labels.is_superseded:
                    self._cache.put(question.key, answer)
                done.extend((case, answer) for case in question.cases)
        self._answers.by_model.inc(len(questions))
        self._answers.shared.inc(len(done) - len(questions))
        return done

    def withdraw(self, batch: Batch) -> list[Case]:
        """The cases of a batch that were not answered, and will not be."""
        with self._work:
            return self._withdraw(batch.questions)

    def ask_again(self, batch: Batch) -> list[Answered]:
        """What was not answered of a batch is asked about anew by the labels in force, before what came later.

        After ``close`` it does nothing: the cases are still to be withdrawn.
        """
        with self._work:
            if self._closed:
                return []
            since = min(question.asked_at for question in batch.questions)
            return self._submit(self._withdraw(batch.questions), since, first=True)

    def change(self, labels: Labels) -> list[Answered]:
        """From now on these labels are asked about, also for what waits. The cache is emptied."""
        with self._work:
            self._labels.supersede()
            self._labels = labels
            self._cache.clear()
            answered: list[Answered] = []
            for question in sorted(self._take_all(), key=lambda each: each.asked_at):
                answered += self._submit(self._withdraw([question]), question.asked_at)
            return answered

    @property
    def labels(self) -> Labels:
        """Those in force."""
        return self._labels

    def close(self) -> list[Case]:
        """Takes and gives nothing any more; the cases that wait. What is under way may still be answered."""
        with self._work:
            self._closed = True
            self._work.notify_all()
            return self._withdraw(self._take_all())

    def _submit(self, cases: Iterable[Case], since: float | None = None, *, first: bool = False) -> list[Answered]:
        answered: list[Answered] = []
        asked_at = self._clock() if since is None else since
        for case in cases:
            label_set = self._labels.for_post(case.post)
            if label_set is None:
                answered.append((case, NotAsked()))
                self._answers.unasked.inc()
                continue
            case.label_set = label_set
            key = (case.says, label_set.id)
            if (known := self._cache.get(key)) is not None:
                answered.append((case, known))
                self._answers.cached.inc()
            elif question := self._open.get(key):
                question.cases.append(case)
            else:
                question = self._open[key] = Question(key, case, asked_at)
                waiting = self._waiting.setdefault(label_set, deque())
                waiting.appendleft(question) if first else waiting.append(question)
        if self._waiting:
            self._work.notify()
        return answered

    def _take_all(self) -> list[Question]:
        """What waits, which waits no more."""
        waiting = [question for questions in self._waiting.values() for question in questions]
        self._waiting.clear()
        return waiting

    def _withdraw(self, questions: Iterable[Question]) -> list[Case]:
        cases = []
        for question in questions:
            if self._open.get(question.key) is question:
                del self._open[question.key]
                cases += question.cases
        return cases

    def _due_at(self) -> float | None:
        """When a batch may be taken; None where nothing waits."""
        due = None
        for label_set, questions in self._waiting.items():
            if len(questions) >= self._size.for_labels(len(label_set.candidates)):
                return -1.0
            at = questions[0].asked_at + self._wait_seconds
            due = at if due is None else min(due, at)
        return due

    def _next_batch(self) -> Batch:
        """That with the question that has waited for longest, and others of like length where there is a choice."""
        label_set = min(self._waiting, key=lambda each: self._waiting[each][0].asked_at)
        questions = self._waiting[label_set]
        size = self._size.for_labels(len(label_set.candidates))
        if len(questions) <= size:
            del self._waiting[label_set]
            self._wake_another()
            return Batch(label_set, list(questions))
        by_length = sorted(questions, key=lambda each: len(each.text))
        place = by_length.index(questions[0])
        # of all that have the oldest among them, those that differ least: the longest is what a call costs
        first = min(
            range(max(0, place - size + 1), min(place, len(by_length) - size) + 1),
            key=lambda at: len(by_length[at + size - 1].text) - len(by_length[at].text),
        )
        taken = by_length[first : first + size]
        chosen = set(map(id, taken))
        self._waiting[label_set] = deque(each for each in questions if id(each) not in chosen)
        self._wake_another()
        return Batch(label_set, taken)

    def _wake_another(self) -> None:
        # this caller is busy from now on: another must know when what is left is due
        if self._waiting:
            self._work.notify()
