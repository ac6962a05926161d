"""Asking the endpoint until it answers, and finding the one text that it refuses.

All workers share one breaker and one limit for the endpoint. While the breaker is open no worker calls but the one that
probes, and that one asks about a harmless text: it costs the endpoint little, and tells an endpoint that is down, or
set up wrong, from posts that it cannot judge.
"""

import threading
from collections.abc import Sequence

from classifier.endpoint import ContentRefused, EndpointBusy, EndpointUnavailable, ModelEndpoint, Scores
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker, BreakerState
from pipeline.connection_state import ConnectionState

#: A text that any model can judge: if it is refused too, the trouble is not in the posts.
_HARMLESS = "Good morning."

Judgements = list[Scores | ContentRefused]


class Stopping(Exception):
    """The service stops before the endpoint answered."""


class Superseded(Exception):
    """Another configuration is in force; perhaps it was this one that the endpoint could not answer by."""


class _EverythingRefused(EndpointUnavailable):
    """The endpoint refuses a text that any model can judge. It is no fault of the posts, and may be set right."""


class PatientEndpoint:
    """One worker's way to the endpoint. While the endpoint is down the worker waits here, with its posts in hand.

    ``breaker`` and ``limit`` are those of all workers, ``backoff`` is this one's own: it spaces the tries after
    failures that do not open the breaker. Each wait ends with ``stopping``, at the latest a tenth of a second later.
    """

    def __init__(
        self,
        endpoint: ModelEndpoint,
        breaker: Breaker,
        limit: AdaptiveLimit,
        backoff: Backoff,
        state: ConnectionState,
        stopping: threading.Event,
    ) -> None:
        self._endpoint = endpoint
        self._breaker = breaker
        self._limit = limit
        self._backoff = backoff
        self._state = state
        self._stopping = stopping
        self._superseded = False

    def supersede(self) -> None:
        """Whoever waits here for the endpoint gives up soon, by Superseded. May be called from any thread."""
        self._superseded = True

    def judge(self, texts: Sequence[str]) -> Judgements:
        """For each text its scores, or why the endpoint refuses it. Raises Stopping and Superseded."""
        while True:
            try:
                judgements = self._try(texts)
            except ContentRefused:
                return [result for text in texts for result in self.judge([text])]
            if judgements is not None:
                return judgements

    def wait_until_it_answers(self) -> None:
        """Returns once the breaker is closed: it starts open, until one worker's harmless text was judged.

        Raises Stopping and Superseded.
        """
        while self._breaker.state is not BreakerState.CLOSED:
            self._try([_HARMLESS])

    def _try(self, texts: Sequence[str]) -> Judgements | None:
        """What one call says of the texts; None where it said nothing, after the wait that this calls for.

        Raises ContentRefused where one of several texts is refused, Stopping and Superseded.
        """
        try:
            return self._call(texts)
        except EndpointUnavailable as error:
            self._state.failed(str(error))
            # while the breaker is open it says how long to wait
            if self._breaker.state is BreakerState.CLOSED and self._stopping.wait(self._backoff.next()):
                raise Stopping from error
            if self._superseded:
                raise Superseded from error
            return None

    def _call(self, texts: Sequence[str]) -> Judgements | None:
        """As ``_try``, but raises EndpointUnavailable; None where it had to be a probe."""
        # first the slot: a worker that waited for one with a permit in hand would call after the breaker has opened
        with self._limit.slot(self._stopping) as slot:
            permit = self._breaker.wait_until_allowed(self._stopping) if slot else None
            if slot is None or permit is None:
                raise Stopping
            with permit:
                if permit.is_probe and self._superseded:
                    raise Superseded
                try:
                    if permit.is_probe:
                        self._probe()
                        judgements = None
                    else:
                        judgements = self._judgements(texts)
                except EndpointBusy:
                    # it is up: while it can be asked less at a time, that is the answer
                    if not slot.congested() or permit.is_probe:
                        permit.failed()
                    raise
                except EndpointUnavailable as error:
                    permit.failed(certain=isinstance(error, _EverythingRefused))
                    raise
                except ContentRefused:
                    permit.succeeded()
                    raise
                if permit.is_probe or judgements is not None:
                    self._state.reached()
                    permit.succeeded()
                return judgements

    def _probe(self) -> None:
        try:
            self._endpoint.classify([_HARMLESS])
        except ContentRefused as refusal:
            raise _EverythingRefused(f"it refuses every text: {refusal}") from refusal

    def _judgements(self, texts: Sequence[str]) -> Judgements | None:
        judgements: Judgements
        try:
            judgements = list(self._endpoint.classify(texts))
        except ContentRefused as refusal:
            if len(texts) > 1:
                raise
            if self._stopping.is_set():
                raise Stopping from refusal
            if self._breaker.state is not BreakerState.CLOSED:
                return None
            # at once, for an endpoint that was set right meanwhile would blame the text; without it a wrong setting
            # would send every post to the dead letters
            self._probe()
            judgements = [refusal]
        self._backoff.reset()
        return judgements
