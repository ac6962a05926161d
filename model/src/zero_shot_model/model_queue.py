"""The line before the model: one request runs, a bounded number waits in order of arrival."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from zero_shot_model.errors import QueueFull
from zero_shot_model.protocol import ClassificationRequest, answer
from zero_shot_model.scoring import ZeroShotClassifier

WARM_UP_TEXT = "A flood in the valley."


class ModelQueue:
    """Owns the thread that loads and runs the model. For use in one event loop.

    `load` runs in that thread too, so requests that come early wait until the model is there.
    """

    def __init__(self, load: Callable[[], ZeroShotClassifier], max_waiting: int) -> None:
        self._load = load
        self._max_places = 1 + max_waiting
        self._places_taken = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._classifier: ZeroShotClassifier | None = None

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and has answered once."""
        return self._classifier is not None

    async def start(self) -> None:
        """Load the model and let it answer once. Raises whatever loading raises."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._start)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request. Taken before its body is read, so it bounds memory. Raises QueueFull."""
        if self._places_taken >= self._max_places:
            raise QueueFull(f"{self._places_taken} requests are under way; try again later")
        self._places_taken += 1
        try:
            yield
        finally:
            self._places_taken -= 1

    async def answer(self, request: ClassificationRequest) -> bytes:
        """The body of the answer to `request`. Raises what the encoder raises."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, request)

    def stop(self) -> None:
        """Drop what waits and return when what runs has ended."""
        self._thread.shutdown(cancel_futures=True)

    def _start(self) -> None:
        classifier = self._load()
        classifier.classify([WARM_UP_TEXT], ["flood"], multi_label=True, template="This example is {}.")
        self._classifier = classifier

    def _answer(self, request: ClassificationRequest) -> bytes:
        if self._classifier is None:
            raise RuntimeError("the model could not be loaded")
        classifications = self._classifier.classify(
            request.texts, request.labels, request.multi_label, request.template
        )
        return answer(request, classifications)
