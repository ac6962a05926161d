"""What is under way: a bounded number of requests, each with a thread that waits for the model."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from zero_shot_model.backends import Backend
from zero_shot_model.calls import Call, CurrentCall
from zero_shot_model.errors import EncoderClosed
from zero_shot_model.metrics import RequestMetrics
from zero_shot_model.protocol import DEFAULT_TEMPLATE, ClassificationRequest, Limits, answer, read_request
from zero_shot_model.room import Room

logger = logging.getLogger(__name__)

WARM_UP_TEXT = "A flood in the valley."


@dataclass(frozen=True)
class Bounds:
    """The most requests, texts and bytes of bodies that may be under way at a time."""

    requests: int
    texts: int
    body_bytes: int


class ModelQueue:
    """Owns the threads that load the model and wait for it. `start`, `answer` and `stop` are for one event loop.

    Requests that come before the model is loaded wait for it. Which texts run when is the backend's matter.
    """

    def __init__(
        self,
        load: Callable[[], Backend],
        limits: Limits,
        bounds: Bounds,
        metrics: RequestMetrics | None = None,
        current: CurrentCall | None = None,
    ) -> None:
        self.requests = Room(bounds.requests, "requests")
        self.body_bytes = Room(bounds.body_bytes, "bytes of requests")
        self._texts = Room(bounds.texts, "texts")
        self._load = load
        self._limits = limits
        self._metrics = metrics or RequestMetrics()
        self._current = current or CurrentCall()
        self._threads = ThreadPoolExecutor(max_workers=bounds.requests, thread_name_prefix="request")
        self._backend: Backend | None = None
        self._loaded = threading.Event()
        self._stopped = False

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and has answered once."""
        return self._backend is not None

    @property
    def knows_examples(self) -> bool:
        """Whether the loaded model does; False before."""
        return self._backend is not None and self._backend.knows_examples

    async def start(self) -> None:
        """Load the model and let it answer once. Raises whatever loading raises.

        A thread of its own does it, which nobody waits for once this is cancelled: loading cannot be interrupted.
        """
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[None] = loop.create_future()

        def tell(failure: Exception | None) -> None:
            if loaded.done():
                return
            if failure is None:
                loaded.set_result(None)
            else:
                loaded.set_exception(failure)

        def load() -> None:
            failure = None
            try:
                self._start()
            except Exception as error:  # noqa: BLE001 - raised again where `start` is awaited
                failure = error
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(tell, failure)

        threading.Thread(target=load, name="load", daemon=True).start()
        await loaded

    async def answer(self, body: bytes, call: Call) -> bytes:
        """The answer to a request's body.

        Raises BadRequest, QueueFull when too many texts wait, CallerGone when `call` was cancelled, EncoderClosed
        after `stop`, and what the model raises.
        """
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, self._answer, body, call)
        except RuntimeError:
            if not self._stopped:
                raise  # there was no thread to be had
            raise EncoderClosed from None
        return await future

    def stop(self) -> None:
        """End what waits with EncoderClosed, and return when what runs has ended. A second time does nothing.

        A model that still loads is not waited for, and closed when it is loaded.
        """
        self._stopped = True
        self._loaded.set()
        if self._backend is not None:
            self._backend.close()
        self._threads.shutdown()

    def _start(self) -> None:
        backend = self._load()
        try:
            backend.classify(
                ClassificationRequest(
                    texts=[WARM_UP_TEXT], single=True, labels=["flood"], multi_label=True, template=DEFAULT_TEMPLATE
                )
            )
            self._backend = backend
        finally:
            if self._stopped or self._backend is None:
                backend.close()
            self._loaded.set()

    def _answer(self, body: bytes, call: Call) -> bytes:
        request = read_request(body, self._limits)
        logger.debug("took a request of %d texts and %d labels", len(request.texts), len(request.labels))
        with self._texts.taken(len(request.texts)), self._current.working_for(call):
            classifications = self._loaded_backend().classify(request)
            self._count(request, call)
        return answer(request, classifications)

    def _loaded_backend(self) -> Backend:
        self._loaded.wait()
        if self._stopped:
            raise EncoderClosed
        if self._backend is None:
            raise RuntimeError("the model could not be loaded")
        return self._backend

    def _count(self, request: ClassificationRequest, call: Call) -> None:
        texts, labels = len(request.texts), len(request.labels)
        self._metrics.texts.inc(texts)
        self._metrics.pairs.inc(texts * labels)
        if call.texts_encoded:
            examples = (request.examples.examples, request.examples.counter_examples)
            asked = labels + sum(len(posts) for kind in examples for posts in kind.values())
            # the neutral sentence, which is nobody's label, may be among what was encoded
            encoded = min(asked, call.texts_encoded - texts)
            self._metrics.label_misses.inc(encoded)
            self._metrics.label_hits.inc(asked - encoded)
