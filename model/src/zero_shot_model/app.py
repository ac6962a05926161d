"""The routes of the endpoint.

GET /ping and POST /invocations are SageMaker's container contract ("Custom Inference Code with Hosting
Services"). POST /endpoints/NAME/invocations is what the client of SageMaker Runtime calls; any name will do.
Errors are JSON of one key, `error`, with one line.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from zero_shot_model.errors import BadRequest, EncoderClosed, QueueFull
from zero_shot_model.model_queue import ModelQueue
from zero_shot_model.protocol import Limits, read_request

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 1

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(
    queue: ModelQueue,
    limits: Limits,
    max_body_bytes: int,
    body_seconds: float,
    lifespan: Lifespan | None = None,
) -> Starlette:
    """The application before `queue`. `body_seconds`: the longest time that a body may take to arrive."""
    endpoint = _Endpoint(queue, limits, max_body_bytes, body_seconds)
    return Starlette(
        routes=[
            Route("/ping", endpoint.ping, methods=["GET"]),
            Route("/invocations", endpoint.invoke, methods=["POST"]),
            Route("/endpoints/{name}/invocations", endpoint.invoke, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _no_such_route},
        lifespan=lifespan,
    )


class _Endpoint:
    def __init__(self, queue: ModelQueue, limits: Limits, max_body_bytes: int, body_seconds: float) -> None:
        self._queue = queue
        self._limits = limits
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds

    async def ping(self, _request: Request) -> Response:
        if self._queue.ready:
            return Response(status_code=200)
        return _error(503, "the model is not loaded yet")

    async def invoke(self, request: Request) -> Response:
        try:
            with self._queue.place():
                return await self._answer(request)
        except QueueFull as error:
            return _error(503, str(error))
        except EncoderClosed:
            return _error(503, "the server is stopping")

    async def _answer(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await _read_body(request, self._max_body_bytes)
        except TimeoutError:
            return _error(408, f"body: expected it within {self._body_seconds} s, found it unfinished")
        except ClientDisconnect:
            return _error(400, "body: expected all of it, found the connection closed")
        if body is None:
            return _error(413, f"body: expected at most {self._max_body_bytes} bytes, found more")
        try:
            content = await run_in_threadpool(read_request, body, self._limits)
        except BadRequest as error:
            logger.debug("refused a request: %s", error)
            return _error(400, str(error))
        logger.debug("took a request of %d texts and %d labels", len(content.texts), len(content.labels))
        try:
            return Response(await self._queue.answer(content), media_type="application/json")
        except EncoderClosed:
            raise
        except Exception:
            logger.exception("the model failed on %d texts", len(content.texts))
            return _error(500, "the model failed; the server's log says why")


async def _read_body(request: Request, max_bytes: int) -> bytes | None:
    """The whole body, or None as soon as it is known to be longer than `max_bytes`."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        return None
    body = bytearray()
    chunks: AsyncIterator[bytes] = request.stream()
    async for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            return None
    return bytes(body)


def _error(status: int, message: str) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}
    content = msgspec.json.encode({"error": message})
    return Response(content, status_code=status, headers=headers, media_type="application/json")


async def _no_such_route(request: Request, error: Any) -> Response:
    response = _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
    response.headers.update(error.headers or {})
    return response
