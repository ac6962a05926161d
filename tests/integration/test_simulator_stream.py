"""The stream over a real socket."""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import Settings, Simulator
from simulator.clock import unix_seconds
from tests.support.polling import wait_until

STREAM = "/2/tweets/search/stream"
TOKEN = {"Authorization": "Bearer secret"}
ALL_FIELDS = {"tweet.fields": "created_at,author_id", "expansions": "author_id", "user.fields": "verified"}
DEADLINE_SECONDS = 10.0

Start = Callable[..., Simulator]


def payload(number: int, text: str = "smoke") -> dict[str, Any]:
    return {
        "data": {
            "id": str(number),
            "text": text,
            "edit_history_tweet_ids": [str(number)],
            "author_id": "1",
            "created_at": "2020-01-01T00:00:00.000Z",
        },
        "includes": {"users": [{"id": "1", "name": "Ann", "username": "ann", "verified": True}]},
        "matching_rules": [{"id": "77", "tag": "harbour"}],
    }


def write_posts(path: Path, count: int, text: str = "smoke") -> Path:
    path.write_text("".join(json.dumps(payload(number, text)) + "\n" for number in range(1, count + 1)))
    return path


def read_ledger(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(path: Path, name: str) -> list[dict[str, Any]]:
    return [line for line in read_ledger(path) if line["event"] == name]


def connect(simulator: Simulator, **query: str) -> requests.Response:
    return requests.get(simulator.url + STREAM, params=query, headers=TOKEN, stream=True, timeout=DEADLINE_SECONDS)


def lines(response: requests.Response) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in response.iter_lines(chunk_size=65536) if line)


def ids(response: requests.Response) -> Iterator[str]:
    return (line["data"]["id"] for line in lines(response))


def raw_connection(simulator: Simulator, receive_buffer: int | None = None) -> socket.socket:
    """A client that has sent its request and read nothing."""
    host, port = simulator.url.removeprefix("http://").split(":")
    client = socket.socket()
    client.settimeout(DEADLINE_SECONDS)
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.connect((host, int(port)))
    client.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer secret\r\n\r\n".encode())
    return client


def read_first_post(client: socket.socket) -> None:
    """Read until some of a post has come, so that the simulator is in the middle of its first write."""
    received = b""
    while b'"data"' not in received:
        received += client.recv(1024)


def read_to_end(client: socket.socket) -> bytes:
    received = b""
    while part := client.recv(65536):
        received += part
    return received


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Simulator] = []

    def start_one(**settings: Any) -> Simulator:
        simulator = Simulator(Settings(bearer_token="secret", **settings))
        simulator.start()
        started.append(simulator)
        return simulator

    yield start_one
    for simulator in started:
        simulator.stop()


def test_the_ledger_holds_what_the_client_read(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    posts = write_posts(tmp_path / "posts.jsonl", 500)
    simulator = start(posts=(posts,), ledger=ledger, repeat_every=10, then="close")
    read = list(ids(connect(simulator)))
    assert len(read) == 550
    wait_until(lambda: events(ledger, "disconnected"), "the disconnection to be in the ledger")
    assert [line["id"] for line in events(ledger, "sent")] == read
    assert sum(line["repeat"] for line in events(ledger, "sent")) == 50
    assert [line["event"] for line in read_ledger(ledger) if line["event"] != "sent"] == [
        "connected",
        "finished",
        "disconnected",
    ]
    assert events(ledger, "finished")[0]["posts"] == 500


def test_the_response_has_the_headers_that_x_sends(start: Start) -> None:
    with connect(start()) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.headers["x-rate-limit-limit"] == "50"
        assert response.headers["x-rate-limit-remaining"] == "49"
        assert 0 < int(response.headers["x-rate-limit-reset"]) - time.time() <= 900


def test_on_the_wire_a_post_is_one_chunk_that_ends_with_a_line_end(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 1),), then="close")
    with raw_connection(simulator) as client:
        body = read_to_end(client).split(b"\r\n\r\n", 1)[1]
    line = (
        b'{"data":{"id":"1","text":"smoke","edit_history_tweet_ids":["1"]},'
        b'"matching_rules":[{"id":"77","tag":"harbour"}]}\r\n'
    )
    assert body == b"%x\r\n%b\r\n0\r\n\r\n" % (len(line), line)


def test_the_query_decides_about_the_fields(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 1),), then="close")
    assert list(lines(connect(simulator, **ALL_FIELDS))) == [payload(1)]


def test_silence_is_filled_with_blank_lines(start: Start) -> None:
    with connect(start(keep_alive=0.05)) as response:
        chunks = list(islice(response.iter_content(chunk_size=None), 3))
    assert chunks == [b"\r\n"] * 3


def test_without_a_connection_playing_waits(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 3),))
    assert simulator.health() == {"state": "waiting", "sent": 0, "connections": 0}
    with connect(simulator) as response:
        read = ids(response)  # held, because requests closes the connection with its iterator
        assert list(islice(read, 3)) == ["1", "2", "3"]
        wait_until(
            lambda: simulator.health() == {"state": "finished", "sent": 3, "connections": 1}, "the end of playing"
        )


def test_after_the_last_post_the_stream_stays_open(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 1),), keep_alive=0.05)
    with connect(simulator) as response:
        content = response.iter_content(chunk_size=None)
        assert json.loads(next(content))["data"]["id"] == "1"
        assert next(content) == b"\r\n"


def test_a_connection_after_the_end_is_kept_open(start: Start, tmp_path: Path) -> None:
    posts = write_posts(tmp_path / "posts.jsonl", 1)
    simulator = start(posts=(posts,), then="close", keep_alive=0.05)
    assert list(ids(connect(simulator))) == ["1"]
    with connect(simulator) as response:
        assert next(response.iter_content(chunk_size=None)) == b"\r\n"


def test_one_connection_too_many_is_refused_as_x_does(start: Start) -> None:
    simulator = start()
    with connect(simulator):
        refused = connect(simulator)
    assert refused.status_code == 429
    assert refused.headers["x-rate-limit-remaining"] == "48"
    assert refused.json() == {
        "title": "ConnectionException",
        "detail": "This stream is currently at the maximum allowed connection limit.",
        "connection_issue": "TooManyConnections",
        "type": "https://api.x.com/2/problems/streaming-connection",
    }


def test_the_place_of_a_client_that_left_is_free_at_once(start: Start) -> None:
    simulator = start()
    for _ in range(5):
        with connect(simulator) as response:
            assert response.status_code == 200


def test_every_open_connection_gets_every_post(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    simulator = start(connections=2, ledger=ledger)
    with connect(simulator) as first, connect(simulator) as second:
        wait_until(lambda: simulator.health()["connections"] == 2, "both connections")
        sent = requests.post(simulator.url + "/simulator/posts", data=b"smoke", timeout=DEADLINE_SECONDS)
        assert next(ids(first)) == next(ids(second)) == sent.json()["id"]
    assert [(line["id"], line["connection"]) for line in events(ledger, "sent")] == [
        (sent.json()["id"], 1),
        (sent.json()["id"], 2),
    ]


def test_a_post_that_a_dead_connection_did_not_take_is_logged_as_cut(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    posts = write_posts(tmp_path / "posts.jsonl", 400, text="smoke " * 20_000)
    simulator = start(posts=(posts,), ledger=ledger)
    client = raw_connection(simulator, receive_buffer=4096)
    read_first_post(client)
    # Closing with SO_LINGER 0 resets the connection, as a client that crashes does.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_until(lambda: events(ledger, "disconnected"), "the disconnection to be in the ledger")
    sent = [line["id"] for line in events(ledger, "sent")]
    cut = [line["id"] for line in events(ledger, "cut")]
    assert cut
    assert sent + cut == [str(number) for number in range(1, len(sent) + len(cut) + 1)]
    assert simulator.health() == {"state": "waiting", "sent": len(sent), "connections": 0}


def test_a_reader_that_takes_nothing_is_cut_off_after_the_write_timeout(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    posts = write_posts(tmp_path / "posts.jsonl", 400, text="smoke " * 20_000)
    simulator = start(posts=(posts,), ledger=ledger, write_timeout=0.1)
    with raw_connection(simulator, receive_buffer=4096):
        wait_until(lambda: events(ledger, "disconnected"), "the disconnection to be in the ledger")
    assert "timed out" in events(ledger, "disconnected")[0]["reason"]


def test_playing_goes_on_with_the_next_connection(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 60),), ledger=ledger, rate=200.0, then="close")
    with connect(simulator) as response:
        first = list(islice(ids(response), 10))
    second = list(ids(connect(simulator)))
    wait_until(lambda: len(events(ledger, "disconnected")) == 2, "both disconnections to be in the ledger")
    logged = [line["id"] for line in read_ledger(ledger) if line["event"] in ("sent", "cut")]
    assert logged == [str(number) for number in range(1, 61)]
    assert first == logged[:10]
    assert second == [line["id"] for line in events(ledger, "sent") if line["connection"] == 2]
    assert second


def test_restamped_posts_carry_the_moment_of_sending(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    posts = write_posts(tmp_path / "posts.jsonl", 2)
    before = time.time()
    simulator = start(posts=(posts,), ledger=ledger, restamp=True, repeat_every=1, then="close")
    stamps = [line["data"]["created_at"] for line in lines(connect(simulator, **ALL_FIELDS))]
    written = [line["at"] for line in events(ledger, "sent")]
    assert stamps[0] == stamps[1]
    assert stamps[2] == stamps[3]
    assert all(before - 0.001 <= unix_seconds(stamp) <= at for stamp, at in zip(stamps, written, strict=True))


def test_a_loop_sends_fresh_ids_for_ever(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 3),), loop=True, rate=1000.0)
    with connect(simulator) as response:
        read = list(islice(ids(response), 10))
    assert read[:3] == ["1", "2", "3"]
    assert len(set(read)) == 10


def test_stopping_ends_the_stream_as_http_wants_it(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 1),), ledger=ledger)
    response = connect(simulator)
    read = ids(response)
    assert next(read) == "1"
    simulator.stop()
    assert list(read) == []
    assert events(ledger, "disconnected")[0]["reason"] == "ended"


def test_stopping_is_not_held_up_by_a_reader_that_takes_nothing(start: Start, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    posts = write_posts(tmp_path / "posts.jsonl", 400, text="smoke " * 20_000)
    simulator = start(posts=(posts,), ledger=ledger, write_timeout=10 * DEADLINE_SECONDS)
    with raw_connection(simulator, receive_buffer=4096) as client:
        read_first_post(client)
        simulator.stop()
        client.settimeout(DEADLINE_SECONDS)
        read_to_end(client)
    assert events(ledger, "cut")


def test_backfill_brings_what_was_on_the_stream_before(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=(write_posts(tmp_path / "posts.jsonl", 5),))
    with connect(simulator) as response:
        assert list(islice(ids(response), 5)) == ["1", "2", "3", "4", "5"]
    with connect(simulator, backfill_minutes="5") as response:
        assert list(islice(ids(response), 5)) == ["1", "2", "3", "4", "5"]


def test_backfill_is_at_most_five_minutes(start: Start) -> None:
    response = connect(start(), backfill_minutes="6")
    assert response.status_code == 400
    assert "backfill_minutes" in response.json()["errors"][0]["message"]
