"""An answer's body is read within its time and its bytes, however slowly and however long it comes."""

import io
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from classifier.answer_body import read_body
from classifier.endpoint import ModelEndpoint
from classifier.endpoint_errors import EndpointFailed, EndpointTooSlow
from classifier.metrics import Metrics
from tests.support.classifier_parts import labels_of


class Dripping(io.RawIOBase):
    """A body of pieces, each of which comes after so many seconds; ``closes_with_the_last`` as urllib3's does."""

    def __init__(self, pieces: Iterable[bytes], seconds: float = 0.0, *, closes_with_the_last: bool = False) -> None:
        self.now = 100.0
        self.timeouts: list[float] = []
        self.is_closed = False
        self._pieces = list(pieces)
        self._seconds = seconds
        self._closes_with_the_last = closes_with_the_last

    def clock(self) -> float:
        return self.now

    def set_socket_timeout(self, timeout: float) -> None:
        assert not self.closed, "there is no socket any more"
        self.timeouts.append(timeout)

    def read1(self, amount: int) -> bytes:
        assert amount > 0
        if not self._pieces:
            return b""
        self.now += self._seconds
        piece = self._pieces.pop(0)
        assert len(piece) <= amount
        return piece

    @property
    def closed(self) -> bool:
        return self.is_closed or (self._closes_with_the_last and not self._pieces)

    def close(self) -> None:
        self.is_closed = True


def read(body: Any, most: int = 1000, until: float = 120.0) -> bytes:
    return read_body(body, until, body.clock, most)


@pytest.mark.parametrize("closes", [False, True])
def test_a_body_is_all_of_its_pieces_and_closed_at_the_end(closes: bool) -> None:
    body = Dripping([b"a", b"bc", b"d"], 4.0, closes_with_the_last=closes)
    assert read(body) == b"abcd"
    assert body.is_closed
    # the socket is not waited for beyond the end
    assert body.timeouts[:3] == [20.0, 16.0, 12.0]


def test_a_body_that_is_whole_in_the_last_moment_is_in_time() -> None:
    assert read(Dripping([b"a", b"b"], 10.0, closes_with_the_last=True)) == b"ab"


def test_one_that_comes_byte_by_byte_is_given_up_at_the_end_of_its_time() -> None:
    body = Dripping([b" "] * 1000, 1.0)
    with pytest.raises(EndpointTooSlow, match="no whole answer in time, 20 bytes of it"):
        read(body)
    assert (body.now, body.is_closed) == (120.0, True)


def test_one_whose_head_took_all_the_time_is_too_slow() -> None:
    with pytest.raises(EndpointTooSlow):
        read(Dripping([b"a"]), until=100.0)


def test_one_that_has_no_end_is_given_up_at_its_bound() -> None:
    body = Dripping([b"x" * 100] * 1000)
    with pytest.raises(EndpointFailed, match="an answer of more than 1000 bytes") as caught:
        read(body)
    assert type(caught.value) is EndpointFailed
    assert body.is_closed
    assert read(Dripping([b"x" * 100] * 10)) == b"x" * 1000


def test_a_call_has_twenty_seconds_from_its_start_to_the_end_of_its_answer() -> None:
    body = Dripping([b" "] * 1000, 3.0)

    class Client:
        def invoke_endpoint(self, **_request: object) -> dict[str, Any]:
            body.now += 15.0
            return {"Body": body}

    client: Any = Client()
    endpoint = ModelEndpoint(client, "a", "a", Metrics(CollectorRegistry()).of_endpoint("a"), body.clock)
    with pytest.raises(EndpointTooSlow):
        endpoint.classify(["a"], labels_of().everything)
    assert body.timeouts == [5.0, 2.0]


def test_it_is_closed_also_where_reading_fails() -> None:
    class Reset(Dripping):
        def read1(self, amount: int) -> bytes:
            raise OSError("reset")

    body = Reset([b"a"])
    with pytest.raises(OSError, match="reset"):
        read(body)
    assert body.is_closed
