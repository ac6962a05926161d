"""Calls of X's rules endpoint against servers that do not do what they should."""

import json
from dataclasses import dataclass, field

import pytest
import requests

from pipeline.errors import Unavailable, UserMistake
from stream_getter.x.auth import BearerAuth
from stream_getter.x.rules.api import RulesApi
from stream_getter.x.rules.calls import TRIES, CapExceeded, Refused, RulesCalls, Waiting
from stream_getter.x.rules.plan import RuleAtX
from stream_getter.x.rules.wanted import Wanted
from tests.support.misbehaving_server import Answer, MisbehavingServer, raw, reset, respond, stream

TOKEN = "token-that-nobody-may-see"
NOW = 1_800_000_000.0  # 08:00:00 UTC
OK = respond("200 OK", b'{"data":[]}')
LIMIT = b'{"title":"Too Many Requests","status":429}'


@dataclass
class Waits:
    """Waits that take no time. ``backoff`` stands in for Backoff."""

    paused: list[float] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    ticks: float = 0.0
    step: float = 0.0
    interrupted: bool = False

    def pause(self, seconds: float) -> bool:
        self.paused.append(seconds)
        return not self.interrupted

    def clock(self) -> float:
        self.ticks += self.step
        return self.ticks

    def next(self) -> float:
        return 0.25


class Caller:
    def __init__(self, session: requests.Session) -> None:
        self.session = session
        self.waits = Waits()

    def to(self, url: str, longest: float = 960.0) -> RulesCalls:
        waiting = Waiting(
            new_backoff=lambda: self.waits,  # type: ignore[arg-type, return-value]
            pause=self.waits.pause,
            sleep=self.waits.slept.append,
            now=lambda: NOW,
            clock=self.waits.clock,
            remark=self.waits.remarks.append,
            longest=longest,
        )
        return RulesCalls(self.session, url, BearerAuth(TOKEN), waiting)


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Caller(requests.Session())


def failure(caller: Caller, *answers: Answer, longest: float = 960.0) -> Exception:
    with MisbehavingServer(*answers) as server, pytest.raises((UserMistake, Unavailable)) as caught:
        caller.to(server.url, longest).call("GET", {})
    said = str(caught.value).replace(server.url, "http://x")
    assert "\n" not in said
    assert TOKEN not in said
    return type(caught.value)(said)


def limit(**headers: str) -> Answer:
    return respond("429 Too Many Requests", LIMIT, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    "trouble", [respond("503 Service Unavailable", b"later"), respond("500 Oops"), reset, stream(b'{"data')]
)
def test_what_may_pass_is_tried_again(caller: Caller, trouble: Answer) -> None:
    with MisbehavingServer(trouble, trouble, OK) as server:
        assert caller.to(server.url).call("GET", {"max_results": "1000"}) == b'{"data":[]}'
    assert caller.waits.paused == [0.25, 0.25]
    assert f"\r\nAuthorization: Bearer {TOKEN}\r\n" in server.requests[2]


def test_what_does_not_pass_is_told_after_a_few_tries(caller: Caller) -> None:
    error = failure(caller, respond("503 Service Unavailable", b"\x1b[31mlater\n"))
    assert isinstance(error, Unavailable)
    assert str(error) == "http://x: expected an answer of X, got HTTP 503: later"
    assert len(caller.waits.paused) == TRIES - 1


def test_a_signal_ends_the_tries(caller: Caller) -> None:
    caller.waits.interrupted = True
    assert isinstance(failure(caller, reset), Unavailable)
    assert len(caller.waits.paused) == 1


def test_what_must_follow_is_tried_on_whatever_signals_come(caller: Caller) -> None:
    caller.waits.interrupted = True
    used_up = limit(x_rate_limit_reset=str(int(NOW) + 9))
    with MisbehavingServer(respond("503 Service Unavailable"), used_up, OK) as server:
        caller.to(server.url).call("POST", {}, {"add": []}, unstoppable=True)
    assert (caller.waits.paused, caller.waits.slept) == ([], [0.25, 10.0])


@pytest.mark.parametrize("lost", [reset, respond("503 Service Unavailable"), stream(b'{"data')])
def test_a_change_whose_other_half_must_follow_is_tried_on_once_it_may_have_been_done(
    caller: Caller, lost: Answer
) -> None:
    caller.waits.interrupted = True
    used_up = limit(x_rate_limit_reset=str(int(NOW) + 9))
    with MisbehavingServer(lost, used_up, OK) as server:
        caller.to(server.url).call("POST", {}, {"delete": {}}, more_follows=True)
    assert (caller.waits.paused, caller.waits.slept) == ([], [0.25, 10.0])


def test_a_change_whose_other_half_must_follow_ends_with_a_signal_while_nothing_is_done(caller: Caller) -> None:
    caller.waits.interrupted = True
    used_up = limit(x_rate_limit_reset=str(int(NOW) + 9))
    with MisbehavingServer(used_up, OK) as server, pytest.raises(Unavailable, match="stopped while waiting"):
        caller.to(server.url).call("POST", {}, {"delete": {}}, more_follows=True)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("left", "reset_at", "waits"),
    [("1", NOW + 9, [10.0]), ("0", NOW + 9, [10.0]), ("2", NOW + 9, []), ("1", NOW - 9, []), ("", NOW + 9, [])],
)
def test_changes_that_belong_together_wait_before_rather_than_between(
    caller: Caller, left: str, reset_at: float, waits: list[float]
) -> None:
    headers = {"x-rate-limit-remaining": left, "x-rate-limit-reset": f"{reset_at:.0f}"}
    with MisbehavingServer(respond("200 OK", b"{}", headers), OK) as server:
        calls = caller.to(server.url)
        calls.reserve(2)
        calls.call("POST", {}, {"add": []})
        calls.call("GET", {})
        calls.reserve(2)
    assert caller.waits.paused == waits


@pytest.mark.parametrize("status", ["201 Created", "400 Bad Request"])
def test_a_rule_is_not_deleted_before_the_rate_limit_is_known_to_leave_room_for_adding_it(
    caller: Caller, status: str
) -> None:
    one_left = {"x-rate-limit-remaining": "1", "x-rate-limit-reset": f"{NOW + 9:.0f}"}
    added = respond("201 Created", b'{"data":[{"id":"8","value":"a","tag":"new"}]}')
    with MisbehavingServer(respond(status, b"{}", one_left), OK, added, OK, added) as server:
        api = RulesApi(caller.to(server.url))
        for _ in range(2):
            assert api.replace([RuleAtX("7", "a", "old")], [Wanted("a", "new")]).accepted == {"a"}
    assert caller.waits.paused == [10.0]
    assert ["dry_run=true" in head for head in server.requests] == [True, False, False, False, False]


def test_an_answer_that_drips_for_ever_is_given_up(caller: Caller) -> None:
    caller.waits.step = 61.0
    assert "no whole answer within 60 s" in str(failure(caller, OK))


def test_a_used_up_rate_limit_is_waited_for_until_it_turns(caller: Caller) -> None:
    with MisbehavingServer(limit(x_rate_limit_reset=str(int(NOW) + 311)), OK) as server:
        caller.to(server.url).call("GET", {})
    assert caller.waits.paused == [312.0]
    assert caller.waits.remarks == ["X's rate limit is used up: waiting 5 min 12 s, until 08:05:12 UTC"]


@pytest.mark.parametrize("reset_at", ["", "soon", "-1", "9" * 400])
def test_without_a_time_a_whole_window_is_waited_for(caller: Caller, reset_at: str) -> None:
    with MisbehavingServer(limit(x_rate_limit_reset=reset_at), OK) as server:
        caller.to(server.url).call("GET", {})
    assert caller.waits.paused == [900.0]


def test_a_time_that_is_past_is_waited_for_a_second(caller: Caller) -> None:
    with MisbehavingServer(limit(x_rate_limit_reset="1"), OK) as server:
        caller.to(server.url).call("GET", {})
    assert caller.waits.paused == [1.0]


def test_a_longer_wait_than_allowed_is_told_with_its_end(caller: Caller) -> None:
    error = failure(caller, limit(x_rate_limit_reset=str(int(NOW) + 311)), longest=0)
    assert str(error) == "http://x: expected requests left in X's rate limit, got none until 08:05:12 UTC"
    assert isinstance(error, Unavailable)
    assert not caller.waits.paused


def test_windows_that_never_open_come_to_an_end(caller: Caller) -> None:
    error = failure(caller, limit(x_rate_limit_reset=str(int(NOW) + 9)))
    assert str(error) == "http://x: expected an answer of X, got HTTP 429: Too Many Requests"


def test_a_redirect_is_not_followed(caller: Caller) -> None:
    with MisbehavingServer(OK) as elsewhere:
        error = failure(caller, respond("301 Moved", b"", {"Location": elsewhere.url}))
        assert elsewhere.requests == []
    assert str(error) == "environment: X_API_URL: expected the address of X's API, got http://x (HTTP 301: nothing)"


@pytest.mark.parametrize("place", [b"http://[", b"\xff\xfe/\x80", b"//user@:99999999/"])
def test_a_redirect_to_nowhere_is_no_crash(caller: Caller, place: bytes) -> None:
    answer = b"HTTP/1.1 301 Moved\r\nLocation: " + place + b"\r\nContent-Length: 2\r\n\r\nno"
    error = failure(caller, raw(answer))
    assert str(error).endswith("expected the address of X's API, got http://x (HTTP 301: no)")


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            respond("401 Unauthorized", b'{"title":"Unauthorized","detail":"Unauthorized"}'),
            UserMistake,
            "environment: X_BEARER_TOKEN: expected a token that http://x accepts, got HTTP 401: Unauthorized",
        ),
        (
            respond("403 Forbidden", b'{"title":"Client Forbidden","detail":"enroll"}'),
            UserMistake,
            "http://x: expected an account that may have rules, got HTTP 403: Client Forbidden: enroll",
        ),
        (
            respond("404 Not Found", b"<html>"),
            UserMistake,
            "environment: X_API_URL: expected the address of X's API, got http://x (HTTP 404: <html>)",
        ),
        (
            respond("400 Bad Request", b'{"title":"Invalid Request","errors":[{"message":"m"}]}'),
            Refused,
            "http://x: expected X to take the request, got HTTP 400: Invalid Request: m",
        ),
        (
            respond("400 Bad Request", b'{"title":"RulesCapExceeded","detail":"d"}'),
            CapExceeded,
            "http://x: expected X to take the request, got HTTP 400: RulesCapExceeded: d",
        ),
    ],
)
def test_what_x_refuses_is_one_line_and_not_tried_again(
    caller: Caller, answer: Answer, kind: type[Exception], said: str
) -> None:
    error = failure(caller, answer)
    assert (type(error), str(error)) == (kind, said)
    assert not caller.waits.paused


@pytest.mark.parametrize("depth", [300, 480, 900, 100_000])
def test_a_refusal_that_is_nested_deeply_is_one_line_too(caller: Caller, depth: int) -> None:
    body = b'{"errors":[' * depth + b"{}" + b"]}" * depth
    assert isinstance(failure(caller, respond("400 Bad Request", body)), Refused)


def test_verdicts_on_single_rules_come_with_an_error_status_too(caller: Caller) -> None:
    body = json.dumps({"meta": {"summary": {"invalid": 1}}, "errors": [{"value": "a"}]}).encode()
    with MisbehavingServer(respond("400 Bad Request", body)) as server:
        assert caller.to(server.url).call("POST", {}, {"add": []}) == body


def test_a_server_that_sends_the_token_back_does_not_get_it_told(caller: Caller) -> None:
    echo = f'{{"title":"Invalid Request","detail":"Authorization: Bearer {TOKEN}"}}'.encode()
    error = failure(caller, respond("400 Bad Request", echo))
    assert str(error).endswith("got HTTP 400: Invalid Request: Authorization: Bearer (the token)")
    assert TOKEN not in str(failure(caller, respond(f"299 {TOKEN}"))) + str(failure(caller, respond(TOKEN)))


def test_an_answer_without_end_is_cut_off(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_getter.x.rules.calls._MOST_BYTES", 1000)
    error = failure(caller, stream(*[b"x" * 600] * 10))
    assert str(error) == "http://x: expected at most 1,000 bytes of an answer, got more"


def test_a_certificate_that_is_wrong_is_a_mistake(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise requests.exceptions.SSLError("certificate verify failed")

    monkeypatch.setattr(caller.session, "request", refuse)
    with pytest.raises(UserMistake, match="X_API_URL: expected a server whose certificate is right, got https://x"):
        caller.to("https://x").call("GET", {})
    assert not caller.waits.paused


def test_a_netrc_file_does_not_take_the_tokens_place(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("home") / "netrc"
    file.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(file))
    with MisbehavingServer(OK) as server:
        caller.to(server.url).call("GET", {})
    assert f"Authorization: Bearer {TOKEN}" in server.requests[0]
