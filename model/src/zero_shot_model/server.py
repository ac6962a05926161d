"""One process: a socket, the model in its thread, and an end in good order."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from zero_shot_model.app import create_app
from zero_shot_model.encoder import OpenVinoEncoder
from zero_shot_model.errors import StartError
from zero_shot_model.model_queue import ModelQueue
from zero_shot_model.protocol import Limits
from zero_shot_model.scoring import ZeroShotClassifier
from zero_shot_model.settings import Settings

logger = logging.getLogger(__name__)

IDLE_CONNECTION_SECONDS = 75
"""Longer than a client pauses between batches: one that sends just as the server closes gets an error."""

BACKLOG = 128
"""Connections that the system holds until they are accepted."""


def serve(settings: Settings, model_file: Path, tokenizer_file: Path) -> int:
    """Serve until SIGTERM or SIGINT, then finish what runs. Exit code 0; 1 when the model failed to load.

    Raises StartError when the address cannot be had.
    """
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after its own shutdown; unhandled, that would be code 143.
        signal.signal(stop_signal, lambda *_: sys.exit(0))
    return _ModelServer(settings, model_file, tokenizer_file).run()


class _ModelServer:
    def __init__(self, settings: Settings, model_file: Path, tokenizer_file: Path) -> None:
        self._settings = settings
        self._model_file = model_file
        self._tokenizer_file = tokenizer_file
        self._encoder: OpenVinoEncoder | None = None
        self._failed = False
        self._queue = ModelQueue(self._load, settings.max_waiting)
        limits = Limits(settings.max_inputs, settings.max_labels)
        app = create_app(self._queue, limits, settings.max_body_bytes, settings.body_seconds, lifespan=self._lifespan)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                loop="asyncio",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=IDLE_CONNECTION_SECONDS,
                timeout_graceful_shutdown=settings.drain_seconds,
            )
        )

    def run(self) -> int:
        listener = listening_socket(self._settings.host, self._settings.port)
        host, port = listener.getsockname()[:2]
        logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        self._server.run(sockets=[listener])
        return 1 if self._failed else 0

    def _load(self) -> ZeroShotClassifier:
        self._encoder = OpenVinoEncoder(self._model_file, self._tokenizer_file, self._settings.threads)
        return ZeroShotClassifier(self._encoder, self._settings.cached_labels)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(self._start_model())
        yield
        if self._encoder is not None:
            self._encoder.close()
        await asyncio.to_thread(self._queue.stop)
        loading.cancel()
        logger.info("stopped")

    async def _start_model(self) -> None:
        try:
            await self._queue.start()
        except Exception:
            logger.exception("the model could not be loaded")
            self._failed = True
            self._server.should_exit = True
        else:
            logger.info("ready: the model runs on %d threads", self._settings.threads)


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
