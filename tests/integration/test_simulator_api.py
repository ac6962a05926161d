"""Everything beside the stream, over HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from simulator import Settings, Simulator

RULES = "/2/tweets/search/stream/rules"
TOKEN = {"Authorization": "Bearer secret"}
DEADLINE_SECONDS = 10.0


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(Settings(bearer_token="secret", project_usage=1000, project_cap=2000)) as running:
        yield running


def ask(simulator: Simulator, method: str, path: str, **options: Any) -> requests.Response:
    options.setdefault("headers", TOKEN)
    return requests.request(method, simulator.url + path, timeout=DEADLINE_SECONDS, **options)


def inject(simulator: Simulator, **options: Any) -> requests.Response:
    return ask(simulator, "POST", "/simulator/posts", headers={}, **options)


def stream_lines(response: requests.Response) -> Iterator[bytes]:
    return (line for line in response.iter_lines(chunk_size=65536) if line)


@pytest.mark.parametrize("path", ["/2/tweets/search/stream", RULES, "/2/usage/tweets"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret"}])
def test_without_the_right_token_the_answer_is_401(simulator: Simulator, path: str, headers: dict[str, str]) -> None:
    response = ask(simulator, "GET", path, headers=headers)
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json() == {
        "title": "Unauthorized",
        "type": "about:blank",
        "status": 401,
        "detail": "Unauthorized",
    }


def test_an_unknown_path_is_404(simulator: Simulator) -> None:
    assert ask(simulator, "GET", "/2/nothing").status_code == 404
    assert ask(simulator, "POST", "/2/usage/tweets").status_code == 404


def test_rules_are_added_listed_and_deleted(simulator: Simulator) -> None:
    added = ask(simulator, "POST", RULES, json={"add": [{"value": "flood", "tag": "water"}]})
    assert (added.status_code, added.headers["x-rate-limit-limit"]) == (201, "100")
    listed = ask(simulator, "GET", RULES)
    assert (listed.status_code, listed.headers["x-rate-limit-limit"]) == (200, "450")
    assert listed.json()["data"] == added.json()["data"]
    rule_id = added.json()["data"][0]["id"]
    deleted = ask(simulator, "POST", RULES, json={"delete": {"ids": [rule_id]}})
    assert (deleted.status_code, deleted.json()["meta"]["summary"]["deleted"]) == (200, 1)
    assert "data" not in ask(simulator, "GET", RULES).json()


def test_a_dry_run_adds_nothing(simulator: Simulator) -> None:
    body = {"add": [{"value": "flood"}]}
    tried = ask(simulator, "POST", RULES, params={"dry_run": "true"}, json=body)
    assert tried.json()["meta"]["summary"]["created"] == 1
    assert ask(simulator, "GET", RULES).json()["meta"]["result_count"] == 0


@pytest.mark.parametrize("body", [b"{", b"\xff", b"", b"{}"])
def test_a_rules_body_that_is_no_request_is_400(simulator: Simulator, body: bytes) -> None:
    response = ask(simulator, "POST", RULES, data=body)
    assert (response.status_code, response.json()["title"]) == (400, "Invalid Request")


def test_usage_grows_with_each_post_that_was_sent(simulator: Simulator) -> None:
    before = ask(simulator, "GET", "/2/usage/tweets").json()["data"]
    assert (before["project_usage"], before["project_cap"]) == ("1000", "2000")
    with ask(simulator, "GET", "/2/tweets/search/stream", stream=True):
        inject(simulator, data="smoke")
        assert ask(simulator, "GET", "/2/usage/tweets").json()["data"]["project_usage"] == "1001"


def test_an_injected_text_arrives_whole_and_as_x_would_send_it(simulator: Simulator) -> None:
    query = {"tweet.fields": "created_at", "expansions": "author_id"}
    with ask(simulator, "GET", "/2/tweets/search/stream", params=query, stream=True) as response:
        text = "Rauch über dem Hafen 🔥"
        injected = inject(simulator, data=text.encode())
        assert injected.status_code == 202
        line = json.loads(next(stream_lines(response)))
    assert line["data"]["id"] == injected.json()["id"]
    assert line["data"]["text"] == text
    assert line["data"]["created_at"].endswith("Z")
    assert line["includes"]["users"][0]["id"] == line["data"]["author_id"]
    assert len(line["matching_rules"]) == 1


def test_an_injected_payload_keeps_its_own_id(simulator: Simulator) -> None:
    with ask(simulator, "GET", "/2/tweets/search/stream", stream=True) as response:
        injected = inject(simulator, json={"data": {"id": "42", "text": "smoke"}})
        assert injected.json() == {"id": "42"}
        assert b'"id":"42"' in next(stream_lines(response))


def test_with_nobody_connected_an_injected_post_is_409_in_one_line(simulator: Simulator) -> None:
    response = inject(simulator, data="smoke")
    assert response.status_code == 409
    assert response.text == "nobody is connected to the stream, so the post went nowhere\n"


@pytest.mark.parametrize(
    "body", [{"data": b""}, {"data": b" \n"}, {"data": b"\xff"}, {"json": {"data": {}}}, {"json": "smoke"}]
)
def test_a_post_that_cannot_be_is_400_in_one_line(simulator: Simulator, body: dict[str, Any]) -> None:
    response = inject(simulator, **body)
    assert response.status_code == 400
    assert response.text.count("\n") == 1


def test_a_body_that_is_too_large_is_refused_unread(simulator: Simulator) -> None:
    announced = {"Content-Length": str(1 << 30)}
    response = ask(simulator, "POST", "/simulator/posts", headers=announced)
    assert response.status_code == 413


def test_health_needs_no_token(simulator: Simulator) -> None:
    response = ask(simulator, "GET", "/simulator/health", headers={})
    assert (response.status_code, response.json()) == (200, {"state": "waiting", "sent": 0, "connections": 0})
