"""The line to one endpoint: what all callers know of it together, and the prober that finds out when it is back.

Callers call while the breaker is closed. While it is not, nobody calls but the prober, about a harmless text: that
costs the endpoint little, and tells an endpoint that is down, or set up wrong, from posts that it cannot judge.
"""

import threading
from collections.abc import Callable

from classifier.endpoint import ModelEndpoint
from classifier.endpoint_errors import ContentRefused, EndpointFailed, EndpointUnavailable
from classifier.labels import Labels, LabelSet
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.breaker import Breaker, BreakerState, Permit
from pipeline.connection_state import ConnectionState

#: A text that any model can judge: if it is refused too, the trouble is not in the posts.
HARMLESS = "Good morning."
#: Candidates of a probe before anything was asked about.
_FEW = 10
#: Seconds until the prober of an endpoint that is up looks whether the service is to stop.
_LOOK_AGAIN = 1.0


class EverythingRefused(EndpointUnavailable):
    """The endpoint refuses a text that any model can judge. It is no fault of the posts, and may be set right."""


class Line:
    """One endpoint with its breaker, its limit of calls, and its state for /readyz. Safe for several threads.

    The breaker is to start open, so that nothing is received before the endpoint has judged the harmless text once.
    """

    def __init__(self, endpoint: ModelEndpoint, breaker: Breaker, limit: AdaptiveLimit, state: ConnectionState) -> None:
        self.endpoint = endpoint
        self.breaker = breaker
        self.limit = limit
        self.state = state
        self._may_be_open = threading.Event()
        breaker.listen(self._follow)

    @property
    def is_up(self) -> bool:
        """Whether callers may call."""
        return self.breaker.state is BreakerState.CLOSED

    def probe(self, label_set: LabelSet) -> None:
        """Asks about the harmless text. Raises EndpointUnavailable, of which EverythingRefused is one."""
        try:
            self.endpoint.classify([HARMLESS], label_set)
        except ContentRefused as refusal:
            self.endpoint.forget_what_it_reads()
            raise EverythingRefused(f"it refuses every text: {refusal}") from refusal
        except EndpointFailed:
            # another model may be in its place, that refuses examples by failing
            self.endpoint.forget_what_it_reads()
            raise

    def probe_once(self, permit: Permit, label_set: LabelSet) -> None:
        """Uses up a permit for a probe, of which the breaker and the state learn the end."""
        with permit:
            try:
                self.probe(label_set)
            except EndpointUnavailable as error:
                self.state.failed(str(error))
                permit.failed()
            else:
                self.state.reached()
                permit.succeeded()

    def set_to_probe(self, labels: Labels) -> LabelSet:
        """What the next probe is to be about: the labels of ``labels`` that were asked about last, or a few at first.

        Those asked about last are what an endpoint must bear, and others may be far more: a model that reads each pair
        by itself might never answer about all of them, though no post is asked about all.
        """
        asked = self.endpoint.last_asked
        return _a_few(labels) if asked is None or asked.is_superseded else asked

    def keep_probing(self, label_set: Callable[[], LabelSet], stopping: threading.Event) -> None:
        """The loop of the prober, until ``stopping``: whenever the breaker is not closed it probes until it is.

        ``label_set`` gives what is asked about at the time. One thread may run it.
        """
        while not stopping.is_set():
            if self._may_be_open.wait(_LOOK_AGAIN):
                self._probe_until_it_answers(label_set, stopping)

    def _probe_until_it_answers(self, label_set: Callable[[], LabelSet], stopping: threading.Event) -> None:
        while not self.is_up:
            permit = self.breaker.wait_until_allowed(stopping)
            if permit is None:
                return
            self.probe_once(permit, label_set())

    def _follow(self, state: BreakerState) -> None:
        if state is BreakerState.CLOSED:
            self._may_be_open.clear()
        else:
            self._may_be_open.set()


def _a_few(labels: Labels) -> LabelSet:
    """The first labels, at least one, with what competes with them."""
    few = labels.everything
    count = min(len(few.asked), _FEW + 1)
    while count > 1 and len(few.candidates) > _FEW:
        count -= 1
        few = LabelSet(labels, few.asked[:count])
    return few
