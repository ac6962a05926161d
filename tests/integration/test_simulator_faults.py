"""Faults on demand over real sockets, as a client sees them; what stream-getter makes of them is tested beside."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import Mistake, Settings, Simulator
from simulator.clock import Clock
from tests.support.polling import wait_until

STREAM = "/2/tweets/search/stream"
FAULTS = "/simulator/faults"
TOKEN = {"Authorization": "Bearer secret"}
DEADLINE_SECONDS = 10.0

Start = Callable[..., Simulator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Simulator] = []

    def start_one(posts: int = 0, clock: Clock | None = None, **settings: Any) -> Simulator:
        if posts:
            lines = [json.dumps({"data": {"id": str(number), "text": "smoke"}}) for number in range(1, posts + 1)]
            (tmp_path / "posts.jsonl").write_text("\n".join(lines))
            settings["posts"] = (tmp_path / "posts.jsonl",)
        simulator = Simulator(Settings(bearer_token="secret", ledger=tmp_path / "ledger.jsonl", **settings), clock)
        simulator.start()
        started.append(simulator)
        return simulator

    yield start_one
    for simulator in started:
        simulator.stop()


def events(folder: Path, *names: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    return [line for line in lines if line["event"] in names]


def connect(simulator: Simulator, **query: str) -> requests.Response:
    return requests.get(simulator.url + STREAM, params=query, headers=TOKEN, stream=True, timeout=DEADLINE_SECONDS)


def ask(simulator: Simulator, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, simulator.url + path, timeout=DEADLINE_SECONDS, **options)


def ids(response: requests.Response) -> Iterator[str]:
    return (json.loads(line)["data"]["id"] for line in response.iter_lines(chunk_size=65536) if line)


def raw_stream(simulator: Simulator) -> socket.socket:
    """A client that has sent its request and read nothing."""
    host, port = simulator.url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=DEADLINE_SECONDS)
    client.sendall(f"GET {STREAM} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer secret\r\n\r\n".encode())
    return client


def read_until(client: socket.socket, expected: bytes) -> bytes:
    received = b""
    while expected not in received:
        part = client.recv(65536)
        assert part, received
        received += part
    return received


def read_to_end(client: socket.socket) -> bytes:
    received = b""
    while part := client.recv(65536):
        received += part
    return received


def test_faults_are_given_told_and_forgotten_without_a_token(start: Start) -> None:
    simulator = start()
    given = [{"what": "status", "status": 500, "attempts": 2}, {"what": "cut", "after_posts": 3}]
    answer = ask(simulator, "POST", FAULTS, json=given)
    assert (answer.status_code, answer.json()) == (202, {"waiting": 2})
    assert ask(simulator, "POST", FAULTS, json={"what": "end"}).json() == {"waiting": 3}
    assert ask(simulator, "GET", FAULTS).json() == {"waiting": [*given, {"what": "end"}]}
    assert ask(simulator, "DELETE", FAULTS).json() == {"forgotten": 3}
    with connect(simulator) as response:
        assert response.status_code == 200


def test_a_mistake_in_a_fault_is_400_in_one_line_and_none_is_taken(start: Start) -> None:
    simulator = start()
    answer = ask(simulator, "POST", FAULTS, json=[{"what": "end"}, {"what": "cut", "times": 2}])
    assert answer.status_code == 400
    assert answer.text == "fault 2: 'times': expected only after_posts, what with cut\n"
    assert simulator.waiting_faults == []
    with pytest.raises(Mistake, match="fault 1: what: expected one of"):
        simulator.add_faults({"what": "nothing"})


def test_a_file_of_faults_acts_from_the_start(start: Start, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text('[{"what": "status", "status": 500}]')
    simulator = start(faults=tmp_path / "faults.json")
    assert connect(simulator).status_code == 500
    with connect(simulator) as response:
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a readable file, found: No such file or directory"),
        ("[", "faults: expected JSON, found: Input data was truncated"),
        ('[{"what": "cut", "after_posts": "3"}]', "fault 1: after_posts: expected a whole number from 0 up, found '3'"),
    ],
)
def test_a_mistake_in_a_file_of_faults_names_the_file(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "faults.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(Mistake) as mistake:
        Simulator(Settings(bearer_token="secret", faults=path))
    assert str(mistake.value) == f"--faults {path}: {message}"


def test_a_fault_acts_on_the_open_stream_at_once(start: Start) -> None:
    simulator = start()
    with connect(simulator) as response:
        ask(simulator, "POST", FAULTS, json={"what": "end"})
        assert list(ids(response)) == []


def test_a_fault_acts_on_one_stream_only(start: Start, tmp_path: Path) -> None:
    simulator = start(connections=2)
    with connect(simulator) as first, connect(simulator) as second:
        simulator.add_faults({"what": "end", "after_posts": 1})
        sent = [ask(simulator, "POST", "/simulator/posts", data=b"smoke").json()["id"] for _ in range(2)]
        assert list(ids(first)) == sent[:1]
        assert list(islice(ids(second), 2)) == sent
    assert [(line["what"], line["connection"]) for line in events(tmp_path, "fault")] == [("end", 1)]


def test_a_rate_limit_tells_when_it_turns(start: Start) -> None:
    simulator = start()
    simulator.add_faults({"what": "rate-limit", "seconds": 1000})
    answer = connect(simulator)
    assert (answer.status_code, answer.json()["title"]) == (429, "Too Many Requests")
    assert answer.headers["x-rate-limit-remaining"] == "0"
    usual = connect(simulator)
    assert int(answer.headers["x-rate-limit-reset"]) > int(usual.headers["x-rate-limit-reset"])
    usual.close()


@pytest.mark.parametrize(
    ("what", "status", "content_type", "beginning"),
    [
        ("too-many-connections", 429, "application/json; charset=utf-8", '{"title":"ConnectionException"'),
        ("status", 503, "application/json; charset=utf-8", '{"title":"Service Unavailable"'),
        ("html-page", 200, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("no-stream", 200, "application/json; charset=utf-8", '{"meta":'),
    ],
)
def test_an_attempt_gets_the_answer_asked_for(
    start: Start, what: str, status: int, content_type: str, beginning: str
) -> None:
    simulator = start()
    simulator.add_faults({"what": what})
    answer = connect(simulator)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, content_type)
    assert answer.text.startswith(beginning)
    with connect(simulator) as response:
        assert response.headers["Transfer-Encoding"] == "chunked"


def test_a_stream_in_gzip_comes_post_by_post(start: Start) -> None:
    simulator = start()
    simulator.add_faults({"what": "gzip"})
    with connect(simulator) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        read = ids(response)
        for _ in range(3):
            sent = ask(simulator, "POST", "/simulator/posts", data=b"smoke").json()["id"]
            assert next(read) == sent
        simulator.add_faults({"what": "end"})
        assert list(read) == []


def test_a_silent_stream_sends_nothing_and_its_posts_wait(start: Start, tmp_path: Path) -> None:
    ahead = [0.0]
    clock = Clock(monotonic=lambda: time.monotonic() + ahead[0])
    simulator = start(posts=4, keep_alive=0.02, clock=clock)
    simulator.add_faults({"what": "stall", "after_posts": 2, "seconds": 600})
    with raw_stream(simulator) as client:
        read_until(client, b'"id":"2"')
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert ask(simulator, "POST", "/simulator/posts", data=b"smoke").status_code == 409
        ahead[0] = 600.0
        client.settimeout(DEADLINE_SECONDS)
        assert b'"id":"3"' in read_until(client, b'"id":"4"')
        wait_until(lambda: len(events(tmp_path, "sent")) == 4, "the last post to be in the ledger")
    assert [line["id"] for line in events(tmp_path, "sent", "cut")] == ["1", "2", "3", "4"]


def test_an_attempt_that_stalls_gets_not_a_byte(start: Start) -> None:
    simulator = start(keep_alive=0.02)
    simulator.add_faults({"what": "stall", "attempts": 1})
    with raw_stream(simulator) as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
    with connect(simulator) as response:
        assert response.status_code == 200


def test_half_a_line_is_half_a_line(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=3)
    simulator.add_faults({"what": "cut", "after_posts": 1})
    with raw_stream(simulator) as client:
        received = read_to_end(client)
    assert b'"id":"1"' in received
    assert received.endswith(b'\r\n12\r\n{"data":{"id":"2",\r\n')
    wait_until(lambda: events(tmp_path, "disconnected"), "the disconnection to be in the ledger")
    assert [(line["event"], line["id"]) for line in events(tmp_path, "sent", "cut")] == [("sent", "1"), ("cut", "2")]
    with connect(simulator) as response:
        assert next(ids(response)) == "3"


@pytest.mark.parametrize("fault", [{"what": "reset", "attempts": 1}, {"what": "reset", "after_posts": 2}])
def test_a_reset_is_one(start: Start, fault: dict[str, Any]) -> None:
    simulator = start(posts=2)
    simulator.add_faults(fault)
    with raw_stream(simulator) as client:
        if "after_posts" in fault:
            read_until(client, b'"id":"2"')
        with pytest.raises(ConnectionResetError):
            read_to_end(client)


def test_slow_bytes_come_one_by_one(start: Start) -> None:
    simulator = start(posts=1, then="close")
    simulator.add_faults({"what": "slow", "seconds": 0})
    with raw_stream(simulator) as client:
        received = read_until(client, b"\r\n0\r\n\r\n").split(b"\r\n\r\n", 1)[1]
    assert received.startswith(b'1\r\n{\r\n1\r\n"\r\n1\r\nd\r\n')


def test_duplicates_and_disorder_are_in_the_ledger_as_they_were_sent(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=4, then="close")
    simulator.add_faults({"what": "duplicates"}, {"what": "disorder", "after_posts": 1, "times": 2})
    assert list(ids(connect(simulator))) == ["1", "1", "2", "4", "3"]
    wait_until(lambda: events(tmp_path, "disconnected"), "the disconnection to be in the ledger")
    sent = [(line["id"], line["repeat"]) for line in events(tmp_path, "sent")]
    assert sent == [("1", False), ("1", True), ("2", False), ("4", False), ("3", False)]


def test_what_was_held_back_for_disorder_is_cut_when_the_stream_ends(start: Start, tmp_path: Path) -> None:
    simulator = start(posts=3, then="close")
    simulator.add_faults({"what": "disorder", "after_posts": 1, "times": 10})
    assert list(ids(connect(simulator))) == ["1"]
    wait_until(lambda: events(tmp_path, "disconnected"), "the disconnection to be in the ledger")
    assert [line["id"] for line in events(tmp_path, "cut")] == ["2", "3"]


def test_a_ghost_has_the_place_until_all_connections_are_ended(start: Start) -> None:
    simulator = start()
    simulator.add_faults({"what": "ghost"})
    assert connect(simulator).json()["connection_issue"] == "TooManyConnections"
    ended = ask(simulator, "DELETE", "/2/connections/all", headers=TOKEN).json()["data"]
    assert (ended["successful_kills"], ended["failed_kills"], len(ended["results"])) == (1, 0, 1)
    with connect(simulator) as response:
        assert response.status_code == 200


def test_ending_all_connections_ends_open_streams(start: Start, tmp_path: Path) -> None:
    simulator = start()
    with connect(simulator) as response:
        listed = ask(simulator, "GET", "/2/connections", headers=TOKEN).json()
        assert listed["meta"] == {"result_count": 1}
        ended = ask(simulator, "DELETE", "/2/connections/all", headers=TOKEN).json()["data"]
        assert [one["uuid"] for one in ended["results"]] == [listed["data"][0]["id"]]
        assert list(ids(response)) == []
    wait_until(lambda: events(tmp_path, "disconnected"), "the disconnection to be in the ledger")
    assert events(tmp_path, "disconnected")[0]["reason"] == "terminated by DELETE /2/connections/all"
    inactive = ask(simulator, "GET", "/2/connections", headers=TOKEN, params={"status": "inactive"}).json()["data"]
    assert [one["disconnect_reason"] for one in inactive] == ["operator_disconnect"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/2/connections"), ("DELETE", "/2/connections/all")])
def test_connections_are_for_those_with_the_token(start: Start, method: str, path: str) -> None:
    assert ask(start(), method, path).status_code == 401
