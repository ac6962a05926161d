"""The endpoint as a real process with callers who are many, slow, or gone before their answer."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.model_process import ModelProcess, running_model
from tests.support.polling import wait_until

SECONDS = 60.0
END_SECONDS = 25
"""From SIGTERM to the end of the process, as it is promised."""
QUAKE = "Strong earthquake of magnitude 6.1 shakes the coast, people run into the streets"
LONG = " ".join([QUAKE] * 15)
LABELS = ["earthquake", "flood", "football"]
CLIENTS = 100


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelProcess]:
    options = ("--threads", "1", "--body-seconds", "1", "--max-waiting-texts", "1000", "--log-level", "debug")
    with running_model(tmp_path_factory.mktemp("model") / "log", *options) as process:
        yield process


def body_of(texts: Sequence[str]) -> bytes:
    parameters = {"candidate_labels": LABELS, "multi_label": True}
    return json.dumps({"inputs": list(texts), "parameters": parameters}).encode()


def send(model: ModelProcess, texts: Sequence[str]) -> requests.Response:
    return requests.post(f"{model.url}/invocations", data=body_of(texts), timeout=SECONDS)


def judged(response: requests.Response) -> list[Any]:
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


def value(model: ModelProcess, name: str) -> float:
    """Of a metric with its labels as they are written; 0 where there is none yet."""
    exposition = requests.get(f"{model.url}/metrics", timeout=SECONDS).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", exposition, re.MULTILINE)
    return float(found[1]) if found else 0.0


def connected(model: ModelProcess, announced: int) -> socket.socket:
    """A connection that has sent the head of a request with a body of so many bytes."""
    address = urlsplit(model.url)
    connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=SECONDS)
    head = f"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Length: {announced}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def taken(model: ModelProcess, texts: int) -> int:
    return model.log.count(f"took a request of {texts} texts")


def end_in_time(model: ModelProcess) -> None:
    """It was told to end, and does so with code 0 within what is promised."""
    try:
        assert model.process.wait(END_SECONDS) == 0, model.log
    except subprocess.TimeoutExpired:
        pytest.fail(f"it had not ended after {END_SECONDS} s: {model.log}")
    assert "stopping: requests under way have" in model.log
    assert "Traceback" not in model.log, model.log


def test_a_hundred_callers_get_each_the_answers_to_their_own_texts(model: ModelProcess) -> None:
    subjects = ["earthquake in the hills", "flood in the valley", "football at its best " * 9]

    def texts_of(client: int) -> list[str]:
        return [f"{subjects[(client + number) % 3]}, says caller {client}" for number in range(1 + client % 4)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        together = list(pool.map(lambda client: judged(send(model, texts_of(client))), range(CLIENTS)))
    for client, results in enumerate(together):
        assert [result["sequence"] for result in results] == texts_of(client)
    for client in range(0, CLIENTS, 25):
        for among, alone in zip(together[client], judged(send(model, texts_of(client))), strict=True):
            assert among["labels"] == alone["labels"]
            assert among["scores"] == pytest.approx(alone["scores"], abs=1e-4)
    assert value(model, "model_requests_under_way") == 0


def test_a_single_text_overtakes_the_list_before_it(model: ModelProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        texts = [f"{QUAKE} {number}" for number in range(512)]
        before = taken(model, 512)
        long = pool.submit(send, model, texts)
        wait_until(lambda: taken(model, 512) > before, "the list to be taken")
        judged(send(model, ["one text"]))
        assert not long.done()
        assert [result["sequence"] for result in judged(long.result(SECONDS))] == texts


def test_the_texts_of_a_caller_who_has_gone_are_not_run(model: ModelProcess) -> None:
    gone, dropped, encoded = (
        value(model, name)
        for name in ('model_requests_total{status="499"}', "model_dropped_texts_total", "model_encoded_texts_total")
    )
    body = body_of([LONG] * 300)
    with connected(model, len(body)) as connection:
        connection.sendall(body)
        wait_until(lambda: value(model, "model_waiting_texts") > 0, "texts that wait")
    wait_until(
        lambda: value(model, 'model_requests_total{status="499"}') == gone + 1, "the caller to be missed", SECONDS
    )
    wait_until(lambda: value(model, "model_waiting_texts") == 0, "its texts to be dropped", SECONDS)
    assert value(model, "model_dropped_texts_total") > dropped
    assert value(model, "model_encoded_texts_total") < encoded + 300
    judged(send(model, ["the next one"]))


def test_a_body_that_stops_half_way_is_408_and_holds_nobody_up(model: ModelProcess) -> None:
    with connected(model, 1000) as slow:
        slow.sendall(b'{"inputs": "a half')
        judged(send(model, ["meanwhile"]))
        answer = b""
        while b"within" not in answer:
            answer += slow.recv(4096) or pytest.fail(f"the answer ended: {answer!r}")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body: expected it within 1 s" in answer


def test_a_connection_cut_within_its_body_leaves_nothing_behind(model: ModelProcess) -> None:
    gone = value(model, 'model_requests_total{status="499"}')
    for _ in range(20):
        with connected(model, 5_000_000) as cut:
            cut.sendall(b" " * 100_000)
    wait_until(lambda: value(model, 'model_requests_total{status="499"}') == gone + 20, "the end of twenty", SECONDS)
    judged(send(model, ["the next one"]))
    assert "Traceback" not in model.log


def test_more_texts_than_may_wait_are_503_with_a_time_to_wait(model: ModelProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        before = taken(model, 511)
        running = pool.submit(send, model, [QUAKE] * 511)
        wait_until(lambda: taken(model, 511) > before, "the list to be taken")
        refused = send(model, [QUAKE] * 500)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json() == {"error": "511 texts are under way; try again later"}
        judged(running.result(SECONDS))
    judged(send(model, [QUAKE] * 2))


def test_sigterm_under_load_answers_all_that_was_taken(tmp_path: Path) -> None:
    with (
        running_model(tmp_path / "log", "--log-level", "debug") as model,
        ThreadPoolExecutor(20) as pool,
    ):
        texts = [[f"{QUAKE} {caller} {number}" for number in range(15)] for caller in range(20)]
        running = [pool.submit(send, model, each) for each in texts]
        wait_until(lambda: taken(model, 15) == 20, "all requests to be taken", SECONDS)
        model.process.send_signal(signal.SIGTERM)
        end_in_time(model)
        for each, response in zip(texts, running, strict=True):
            assert [result["sequence"] for result in judged(response.result(SECONDS))] == each


def test_what_cannot_be_finished_after_sigterm_is_503_and_the_end_is_in_time(tmp_path: Path) -> None:
    options = ("--threads", "1", "--drain-seconds", "1", "--log-level", "debug")
    with running_model(tmp_path / "log", *options) as model, ThreadPoolExecutor(1) as pool:
        running = pool.submit(send, model, [LONG] * 512)
        wait_until(lambda: taken(model, 512), "the list to be taken", SECONDS)
        model.process.send_signal(signal.SIGTERM)
        end_in_time(model)
        response = running.result(SECONDS)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
        assert response.json() == {"error": "the server is stopping"}
        assert "what is left of requests is given up" in model.log


def test_a_body_that_still_arrives_at_the_end_is_503_and_the_end_is_in_time(tmp_path: Path) -> None:
    options = ("--drain-seconds", "1", "--body-seconds", "60")
    with running_model(tmp_path / "log", *options) as model, connected(model, 1000) as slow:
        slow.sendall(b'{"inputs": "a half')
        wait_until(lambda: value(model, "process_open_fds") > 0, "the server to turn to its connections", SECONDS)
        model.process.send_signal(signal.SIGTERM)
        end_in_time(model)
        answer = slow.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b'{"error":"the server is stopping"}')


def test_an_answer_that_is_not_read_does_not_hold_up_the_end(tmp_path: Path) -> None:
    options = ("--drain-seconds", "1", "--body-seconds", "60", "--log-level", "debug")
    with running_model(tmp_path / "log", *options) as model:
        body = body_of(["a" * 5_500_000])
        with connected(model, len(body)) as unread:
            unread.sendall(body)
            wait_until(lambda: value(model, 'model_requests_total{status="200"}') == 1, "the answer", SECONDS)
            model.process.send_signal(signal.SIGTERM)
            end_in_time(model)
        assert "was not read in time" in model.log
