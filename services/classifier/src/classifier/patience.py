"""Asking the endpoints until one answers, and finding the one text that none can.

An error says by its kind what helps: waiting, fewer calls at a time, smaller ones, or another content. Where the
content may be at fault a harmless text is judged at once: if it is, the texts are asked about in halves, until the one
that is refused, or fails again and again, stands alone. A text goes to the dead letters for nothing but this. One that
fails alone is asked about again when all that shared its batch are answered.

What takes the endpoint down, or holds it up, cuts all calls that are under way then. So what was in such a call is
asked about with nothing else under way, or the texts of the others would be blamed with it.
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
#: instances one may be broken, and 6 tries in a row with that one are rare: 1 of 64.
_TRIES = 6
#: The same where the harmless text was not judged after each of them either: the text may bring the endpoint down, or
#: the endpoint goes down by itself, which is likelier.
_TRIES_IN_TROUBLE = 12
#: Times that one text alone is to be refused, the harmless one being judged after each: once may be a setting that was
#: wrong for a moment.
_REFUSALS = 2
#: For how many of these a call counts that took all the time that there is, where no other was under way beside it and
#: the harmless text is judged at once after it: to meet the broken instance and then the other is as rare as two tries.
_TOO_SLOW_COUNTS = 2
#: Seconds that "at once" means.
_AT_ONCE = 1.0
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
    """Questions that share a call, and how often that has failed, or was refused.

    ``in_trouble`` says that the endpoint was down after a call with these in it, ``was_too_slow`` that the last one had
    no answer in time. ``whole`` is what these are one half of, ``answered_halves`` how many of its own were judged.
    """

    __slots__ = ("answered_halves", "failures", "in_trouble", "questions", "refusals", "was_too_slow", "whole")

    def __init__(self, questions: Sequence[Question], whole: "_Part | None" = None) -> None:
        self.questions = questions
        self.whole = whole
        self.answered_halves = 0
        self.failures = 0
        self.refusals = 0
        self.in_trouble: bool = whole is not None and whole.in_trouble
        self.was_too_slow = False

    @property
    def is_one(self) -> bool:
        return len(self.questions) == 1

    @property
    def is_suspect(self) -> bool:
        return self.is_one and self.failures > 0

    @property
    def may_harm_others(self) -> bool:
        """Whether it is to be asked about with nothing else under way."""
        return self.in_trouble or (self.is_suspect and self.was_too_slow)

    @property
    def is_at_fault(self) -> bool:
        return self.is_one and self.failures >= (_TRIES_IN_TROUBLE if self.in_trouble else _TRIES)

    def halves(self) -> "tuple[_Part, _Part]":
        """The second before the first, as ``extendleft`` turns them round."""
        middle = len(self.questions) // 2
        first, second = self.questions[:middle], self.questions[middle:]
        return _Part(second, self), _Part(first, self)


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
        went_down = False
        while parts:
            part = parts.popleft()
            line = self._line_that_is_up(label_set)
            is_next_round = part.is_suspect and part.failures > rounds
            # only texts that failed alone are left, each asked about as often as this one; or the next call may take
            # the endpoint down once more, and others are to have their turn before it
            if is_next_round or went_down:
                rounds = part.failures if is_next_round else rounds
                went_down = False
                self._wait(min(self._backoff.next(), _LONGEST_REST))
            try:
                answers = self._try(line, part, label_set)
            except ContentRefused as refusal:
                part.refusals += 1
                if not part.is_one:
                    parts.extendleft(part.halves())
                elif part.refusals < _REFUSALS:
                    parts.appendleft(part)
                else:
                    yield part.questions, [refusal]
            except EndpointFailed as error:
                was_in_trouble = part.in_trouble
                went_down = not line.is_up
                part.in_trouble |= went_down
                if part.is_at_fault:
                    why = f"the model fails at it again and again: {error}"
                    yield part.questions, [ContentRefused(why, error.for_log)]
                elif part.is_one:
                    # those that shared its call need not wait for it
                    parts.append(part)
                elif not went_down or was_in_trouble or part.failures > 1:
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
                    self._learn_the_size(part)
                    yield part.questions, answers

    def _learn_the_size(self, answered: _Part) -> None:
        """Where each half was answered at its first try, the whole was at fault for nothing but its size."""
        whole = answered.whole
        if whole and not answered.failures:
            whole.answered_halves += 1
            if whole.answered_halves == 2:
                self._size.too_much(len(whole.questions))

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

    def _try(self, line: Line, part: _Part, label_set: LabelSet) -> list[Answer] | None:
        """What one call says; None where it may not be made any more. Raises as ``_call``, and Stopping."""
        # first the slot: a caller that waited for one with a permit in hand would call after the breaker has opened
        with line.limit.slot(self._stopping, alone=part.may_harm_others) as slot:
            permit = line.breaker.permit_now() if slot else None
            if slot is None:
                raise Stopping
            if permit is None:
                return None
            with permit:
                # to probe is the prober's work
                if permit.is_probe:
                    return None
                return self._call(line, slot, permit, part, label_set)

    def _call(self, line: Line, slot: Slot, permit: Permit, part: _Part, label_set: LabelSet) -> list[Answer] | None:
        """Raises ContentRefused and EndpointFailed where the content may be at fault, and EndpointUnavailable.

        Each EndpointFailed is counted in ``part``.
        """
        texts = [question.text for question in part.questions]
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
            was_alone = slot.was_alone
            part.was_too_slow = isinstance(error, EndpointTooSlow)
            if part.was_too_slow:
                self._size.too_much(len(texts))
            failed_at = self._clock()
            is_up = self._is_up(line, permit, label_set)
            is_certain = part.was_too_slow and was_alone and is_up and self._clock() - failed_at <= _AT_ONCE
            part.failures += _TOO_SLOW_COUNTS if is_certain else 1
            raise
        except EndpointBusy as error:
            line.state.failed(error.for_log)
            # it is up: while it can be asked less at a time, that is the answer
            if not slot.congested():
                permit.failed()
            raise
        except EndpointUnavailable as error:
            line.state.failed(error.for_log)
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
        line.state.reached()
        permit.succeeded()
        return True

    def _wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopping
