"""One process: a socket, the model behind it, and an end in good order."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable

import uvicorn
from prometheus_client import CollectorRegistry

from zero_shot_model import __version__
from zero_shot_model.app import App
from zero_shot_model.backends import Backend, Load
from zero_shot_model.calls import CurrentCall
from zero_shot_model.errors import StartError
from zero_shot_model.http_protocol import protocol_class
from zero_shot_model.metrics import RequestMetrics, export_build_info
from zero_shot_model.model_queue import Bounds, ModelQueue
from zero_shot_model.protocol import Limits
from zero_shot_model.settings import Settings

logger = logging.getLogger(__name__)

IDLE_CONNECTION_SECONDS = 75
"""Longer than a client pauses between batches: one that sends just as the server closes gets an error."""

BACKLOG = 128
"""Connections that the system holds until they are accepted."""

LAST_SECONDS = 2
"""After DRAIN_SECONDS, for the answers to what is given up then."""


def serve(settings: Settings, load: Load) -> int:
    """Serve until SIGTERM or SIGINT, then finish what runs. Exit code 0; 1 when the model failed to load.

    Raises StartError when the address cannot be had, and what `load` raises of it.
    """
    server = _ModelServer(settings, load)
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        # For the moments before uvicorn sets its own. After its shutdown it raises the signal again; unhandled, that
        # would be code 143.
        signal.signal(stop_signal, lambda *_: server.stop())
    return server.run()


class _ModelServer:
    def __init__(self, settings: Settings, load: Load) -> None:
        self._settings = settings
        self._load_backend = load
        self._failed = False
        self._start_error: StartError | None = None
        self._registry = CollectorRegistry()
        self._current = CurrentCall()
        export_build_info(self._registry, settings.backend, __version__, settings.revision)
        metrics = RequestMetrics(self._registry)
        limits = Limits(settings.max_inputs, settings.max_labels, settings.max_body_bytes)
        bounds = Bounds(1 + settings.max_waiting, settings.max_waiting_texts, settings.max_waiting_bytes)
        self._queue = ModelQueue(self._load, limits, bounds, metrics, self._current)
        self._app = App(self._queue, settings.max_body_bytes, settings.body_seconds, metrics, self._registry)
        self._server = _DrainingServer(
            uvicorn.Config(
                self._app,
                http=protocol_class(settings.body_seconds),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=IDLE_CONNECTION_SECONDS,
                timeout_graceful_shutdown=settings.drain_seconds + LAST_SECONDS,
            ),
            self._give_up_requests,
            settings.drain_seconds,
        )

    def stop(self) -> None:
        """Asks the server to end as soon as it runs; for a signal's handler."""
        self._server.should_exit = True

    def run(self) -> int:
        listener = listening_socket(self._settings.host, self._settings.port)
        host, port = listener.getsockname()[:2]
        logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        asyncio.run(self._serve(listener))
        if self._start_error is not None:
            raise self._start_error
        return 1 if self._failed else 0

    def _load(self) -> Backend:
        return self._load_backend(self._current, self._registry)

    async def _serve(self, listener: socket.socket) -> None:
        loading = asyncio.create_task(self._start_model())
        await self._server.serve(sockets=[listener])
        await asyncio.to_thread(self._queue.stop)
        loading.cancel()
        logger.info("stopped")

    async def _start_model(self) -> None:
        try:
            await self._queue.start()
        except Exception as error:
            if self._server.should_exit:
                logger.info("the model could not be loaded, and is not needed any more: %r", error)
            elif isinstance(error, StartError):
                self._start_error = error
            else:
                logger.exception("the model could not be loaded")
                self._failed = True
            await self._give_up()
        else:
            logger.info("ready: the model runs on %d threads", self._settings.threads)

    async def _give_up(self) -> None:
        """Ends the server without a model, and at once what waits for it."""
        self._server.should_exit = True
        self._app.give_up()
        await asyncio.to_thread(self._queue.stop)

    def _give_up_requests(self) -> None:
        """Ends the requests that are left, whether they wait for the model or for their caller."""
        logger.info("stopping: what is left of requests is given up")
        self._app.give_up()
        asyncio.get_running_loop().run_in_executor(None, self._queue.stop)


class _DrainingServer(uvicorn.Server):
    """Gives requests `drain_seconds` to end once it is asked to stop; what is left gets an answer that says so."""

    def __init__(self, config: uvicorn.Config, give_up: Callable[[], None], drain_seconds: float) -> None:
        super().__init__(config)
        self._give_up = give_up
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        logger.info("stopping: requests under way have %s s", self._drain_seconds)
        giving_up = loop.call_later(self._drain_seconds, self._give_up)
        try:
            await super().shutdown(sockets)
        finally:
            giving_up.cancel()


def listening_socket(host: str, port: int) -> socket.socket:
    """A TCP socket that listens; port 0 takes a free one. Raises StartError when the address cannot be had.

    It is made with its protocol named, unlike socket.create_server's: only then does asyncio turn Nagle's
    algorithm off, which would hold back each small answer for 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"HOST, PORT: expected a free address, found {host}:{port}: {error.strerror}") from None
    return listener
