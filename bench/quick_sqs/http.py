"""HTTP/1.1 as far as botocore speaks it: connections that stay open, one POST at a time, a body with its length."""

import asyncio
from typing import cast

import msgspec

from bench.quick_sqs import wire
from bench.quick_sqs.operations import Operations

_END_OF_HEAD = b"\r\n\r\n"
_STATUS = {200: b"HTTP/1.1 200 OK", 400: b"HTTP/1.1 400 Bad Request"}
_TARGET = "AmazonSQS."


class Connection(asyncio.Protocol):
    """One client's connection. Each answer leaves ``latency`` seconds after it is known, for the network's ways."""

    def __init__(self, operations: Operations, latency: float) -> None:
        self._operations = operations
        self._latency = latency
        self._encoder = msgspec.json.Encoder()
        self._received = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Calls once for each request that is there as a whole."""
        self._received += data
        while (head_end := self._received.find(_END_OF_HEAD)) >= 0:
            body_start = head_end + len(_END_OF_HEAD)
            headers = _headers(self._received[:head_end])
            end = body_start + int(headers.get("content-length", 0))
            if len(self._received) < end:
                return
            body = bytes(self._received[body_start:end])
            del self._received[:end]
            operation = headers.get("x-amz-target", "").removeprefix(_TARGET)
            self._operations.call(operation, body, f"http://{headers['host']}", self._respond, self._is_open)

    def _is_open(self) -> bool:
        return not self._transport.is_closing()

    def _respond(self, status: int, answer: wire.Shape) -> None:
        body = self._encoder.encode(answer)
        head = b"%b\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
        response = head % (_STATUS[status], len(body)) + body
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._write, response)
        else:
            self._write(response)

    def _write(self, response: bytes) -> None:
        if self._is_open():
            self._transport.write(response)


def _headers(head: bytearray) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
