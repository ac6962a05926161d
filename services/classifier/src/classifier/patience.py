"""Asking the endpoints until one answers, and finding the one text that none can.

An error says by its kind what helps: waiting, fewer calls at a time, smaller ones, or another content. Where the
content may be at fault a harmless text is judged at once: if it is, the texts are asked about in halves, until the one
that is refused, or fails again and again, stands alone. A text goes to the dead letters for nothing but this. One that
fails alone is asked about again when all that shared its batch are answered.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from classifier.batch_size import BatchSize
from classifier.cases import Answer, Judged
from classifier.desk import Question
from classifier.endpoint_errors import (
    ContentRefused,
    EndpointBusy,
    EndpointFailed,
    EndpointTooSlow,
    EndpointUnavailable,
)
from classifier.labels import LabelSet
from classifier.line import Line
from pipeline.adaptive_limit import Slot
from pipeline.backoff import Backoff
from pipeline.breaker import Permit

#: Times that one text alone may fail, the endpoint being up before each, until it is held to be at fault. Of two
#: instances one may be broken, and 6 tries in a row with that one are rare.
_TRIES = 6
#: The same where the harmless text was not judged after each of them either: the text may bring the endpoint down, or
#: the endpoint goes down by itself, which is likelier.
_TRIES_IN_TROUBLE = 12
#: For how many of these a call counts that took all the time that there is.
_TOO_SLOW_COUNTS = 2
#: Seconds between two tries of a text that failed alone, at most: all that this caller could do waits for it.
_LONGEST_REST = 2.0
#: Seconds until a caller that waits for an endpoint looks again.
_LOOK_AGAIN = 0.05

#: Questions and their answers, in the same order.
Told = tuple[Sequence[Question], Sequence[Answer]]


class Stopping(Exception):
    """The service stops before an endpoint answered."""


class Superseded(Exception):
    """Another configuration is in force; perhaps it was this one that the endpoint could not answer by."""


class _Part:
    """Questions that share a call, and how often that has failed.

    ``in_trouble`` says that the endpoint was down after a call with these in it, ``was_up`` how it was after the last.
    """

    __slots__ = ("failures", "in_trouble", "questions", "was_up")

    def __init__(self, questions: Sequence[Question], *, in_trouble: bool = False) -> None:
        self.questions = questions
        self.failures = 0
        self.in_trouble = in_trouble
        self.was_up = True

    @property
    def is_one(self) -> bool:
        return len(self.questions) == 1

    @property
    def is_suspect(self) -> bool:
        return self.is_one and self.failures > 0

    @property
    def is_at_fault(self) -> bool:
        return self.is_one and self.failures >= (_TRIES_IN_TROUBLE if self.in_trouble else _TRIES)

    def halves(self) -> "tuple[_Part, _Part]":
        """The second before the first, as ``extendleft`` turns them round."""
        middle = len(self.questions) // 2
        first, second = self.questions[:middle], self.questions[middle:]
        return _Part(second, in_trouble=self.in_trouble), _Part(first, in_trouble=self.in_trouble)


class Patience:
    """One caller's way to the endpoints, of which the first that is up is asked. For one thread.

    While none is up the caller waits here, with its posts in hand. ``lines`` and ``size`` are those of all callers,
    ``backoff`` is this one's own: it spaces the tries after failures. Each wait ends with ``stopping``.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        size: BatchSize,
        backoff: Backoff,
        stopping: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lines = lines
        self._size = size
        self._backoff = backoff
        self._stopping = stopping
        self._clock = clock

    def judge(self, questions: Sequence[Question], label_set: LabelSet) -> Iterator[Told]:
        """The questions with their answers, all of them or some at a time, as they become known.

        An answer is the text's scores, or why no endpoint can judge it. Raises Stopping and Superseded.
        """
        parts = deque([_Part(questions)])
        rounds = 0
        while parts:
            part = parts.popleft()
            line = self._line_that_is_up(label_set)
            # only texts that failed alone are left, each asked about as often as this one
            if part.is_suspect and part.failures > rounds:
                rounds = part.failures
                # otherwise the prober has said how long to wait
                self._wait(min(self._backoff.next(), _LONGEST_REST) if part.was_up else 0.0)
            try:
                answers = self._try(line, [question.text for question in part.questions], label_set)
            except ContentRefused as refusal:
                if part.is_one:
                    yield part.questions, [refusal]
                else:
                    parts.extendleft(part.halves())
            except EndpointFailed as error:
                part.failures += _TOO_SLOW_COUNTS if isinstance(error, EndpointTooSlow) else 1
                was_in_trouble = part.in_trouble
                part.was_up = line.is_up
                part.in_trouble |= not part.was_up
                if part.is_at_fault:
                    yield part.questions, [ContentRefused(f"the model fails at it again and again: {error}")]
                elif part.is_one:
                    # those that shared its call need not wait for it
                    parts.append(part)
                elif part.was_up or was_in_trouble or part.failures > 1:
                    # one that is down now may be so for what is in the call: twice, and it is held to be possible
                    parts.extendleft(part.halves())
                else:
                    parts.appendleft(part)
            except EndpointUnavailable:
                parts.appendleft(part)
                # while no endpoint is up the prober says how long that takes
                self._wait(self._backoff.next() if line.is_up else 0.0)
            else:
                if answers is None:
                    parts.appendleft(part)
                else:
                    self._backoff.reset()
                    yield part.questions, answers

    def _line_that_is_up(self, label_set: LabelSet) -> Line:
        while True:
            if self._stopping.is_set():
                raise Stopping
            for line in self._lines:
                if line.is_up:
                    return line
            self._wait(_LOOK_AGAIN)
            if label_set.is_superseded:
                raise Superseded

    def _try(self, line: Line, texts: Sequence[str], label_set: LabelSet) -> list[Answer] | None:
        """What one call says; None where it may not be made any more. Raises as ``_call``, and Stopping."""
        # first the slot: a caller that waited for one with a permit in hand would call after the breaker has opened
        with line.limit.slot(self._stopping) as slot:
            permit = line.breaker.permit_now() if slot else None
            if slot is None:
                raise Stopping
            if permit is None:
                return None
            with permit:
                # to probe is the prober's work
                return None if permit.is_probe else self._call(line, slot, permit, texts, label_set)

    def _call(
        self, line: Line, slot: Slot, permit: Permit, texts: Sequence[str], label_set: LabelSet
    ) -> list[Answer] | None:
        """Raises ContentRefused and EndpointFailed where the content may be at fault, and EndpointUnavailable."""
        started = self._clock()
        try:
            scores = line.endpoint.classify(texts, label_set)
        except ContentRefused:
            if len(texts) > 1:
                permit.succeeded()
            # at once, for an endpoint that was set right meanwhile would blame the text; without it a wrong setting
            # would send every post to the dead letters
            elif not self._is_up(line, permit, label_set):
                return None
            raise
        except EndpointFailed as error:
            if isinstance(error, EndpointTooSlow):
                self._size.too_much(len(texts))
            self._is_up(line, permit, label_set)
            raise
        except EndpointBusy as error:
            line.state.failed(str(error))
            # it is up: while it can be asked less at a time, that is the answer
            if not slot.congested():
                permit.failed()
            raise
        except EndpointUnavailable as error:
            line.state.failed(str(error))
            permit.failed()
            raise
        line.state.reached()
        permit.succeeded()
        self._size.answered(len(texts), len(label_set.candidates), self._clock() - started)
        model = line.endpoint.model
        return [Judged(each, model) for each in scores]

    def _is_up(self, line: Line, permit: Permit, label_set: LabelSet) -> bool:
        """Whether the endpoint judges a harmless text at this moment. If not, nobody calls until it does."""
        if self._stopping.is_set():
            raise Stopping
        try:
            line.probe(label_set)
        except EndpointUnavailable as error:
            line.state.failed(str(error))
            permit.failed(certain=True)
            return False
        permit.succeeded()
        return True

    def _wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopping
