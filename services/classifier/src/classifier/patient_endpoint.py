"""Asking the endpoint until it answers, and finding the one text that it refuses."""

import threading
from collections.abc import Sequence

from classifier.endpoint import ContentRefused, EndpointUnavailable, ModelEndpoint, Scores
from pipeline.backoff import Backoff
from pipeline.connection_state import ConnectionState

#: A text that any model can judge: if it is refused too, the trouble is not in the posts.
_PROBE = "Good morning."


class Stopping(Exception):
    """The service stops before the endpoint answered."""


class PatientEndpoint:
    """One worker's way to the endpoint. While the endpoint is down the worker waits here, so nothing is received."""

    def __init__(
        self, endpoint: ModelEndpoint, backoff: Backoff, state: ConnectionState, stopping: threading.Event
    ) -> None:
        self._endpoint = endpoint
        self._backoff = backoff
        self._state = state
        self._stopping = stopping

    def judge(self, texts: Sequence[str]) -> list[Scores | ContentRefused]:
        """For each text its scores, or why the endpoint refuses it. Raises Stopping."""
        while True:
            try:
                return list(self._answer(texts))
            except ContentRefused as refusal:
                if len(texts) > 1:
                    return [result for text in texts for result in self.judge([text])]
                # a wrong setting must not send every post to the dead letters
                general = self._refusal_of_everything()
                if general is None:
                    return [refusal]
                self._wait(f"it refuses every text: {general}")

    def wait_until_it_answers(self) -> None:
        """Waits until the endpoint judges a harmless text. Raises Stopping."""
        while refusal := self._refusal_of_everything():
            self._wait(f"it refuses every text: {refusal}")

    def _refusal_of_everything(self) -> ContentRefused | None:
        try:
            self._answer([_PROBE])
        except ContentRefused as refusal:
            return refusal
        return None

    def _answer(self, texts: Sequence[str]) -> list[Scores]:
        # one call may take as long as a drain may: none is begun after a stop
        while not self._stopping.is_set():
            try:
                scores = self._endpoint.classify(texts)
            except EndpointUnavailable as error:
                self._wait(str(error))
            else:
                self._backoff.reset()
                self._state.reached()
                return scores
        raise Stopping

    def _wait(self, reason: str) -> None:
        self._state.failed(reason)
        if self._stopping.wait(self._backoff.next()):
            raise Stopping
