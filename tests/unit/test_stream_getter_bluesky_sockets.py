"""One time for all addresses of a host."""

import socket
import threading

import pytest

from stream_getter.bluesky.sockets import open_socket

HOST = "jetstream.example"


class Silent:
    """Sockets to addresses where nobody answers; waiting for them is what lets time pass."""

    def __init__(self, stopping: threading.Event, *, stops_after: int) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.closed = 0
        self._stopping = stopping
        self._stops_after = stops_after
        self._timeout = 0.0

    def __call__(self, *_kind: object) -> "Silent":
        return self

    def settimeout(self, seconds: float) -> None:
        self._timeout = seconds

    def connect(self, _address: object) -> None:
        self.waits.append(self._timeout)
        self.now += self._timeout
        if len(self.waits) == self._stops_after:
            self._stopping.set()
        raise TimeoutError("timed out")

    def close(self) -> None:
        self.closed += 1


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_name, **_kind: addresses)


@pytest.mark.parametrize(("stops_after", "tried"), [(99, 4), (1, 1)])
def test_all_addresses_share_the_time_and_a_stop_ends_it(
    monkeypatch: pytest.MonkeyPatch, stops_after: int, tried: int
) -> None:
    stopping = threading.Event()
    silent = Silent(stopping, stops_after=stops_after)
    resolve_to(monkeypatch, 1, 2, 3, 4)
    monkeypatch.setattr(socket, "socket", silent)
    with pytest.raises(TimeoutError):
        open_socket(HOST, 443, 8.0, stopping, lambda: silent.now)
    assert silent.waits == [2.0] * tried
    assert silent.closed == tried


def test_an_address_that_refuses_leaves_its_time_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as gone:
        port, refusing = server.getsockname()[1], gone.getsockname()[1]
        gone.close()
        resolve_to(monkeypatch, refusing, port)
        with open_socket(HOST, 443, 8.0, threading.Event(), lambda: 0.0) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
            assert connection.gettimeout() is None


def test_a_host_without_addresses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch)
    with pytest.raises(OSError, match="no connection in time"):
        open_socket(HOST, 443, 8.0, threading.Event(), lambda: 0.0)
