"""`stream-getter rules` against the simulator of X."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from pipeline.dead_letters.tools import Terminal
from pipeline.errors import Unavailable, UserMistake
from simulator import Settings, Simulator
from stream_getter.x.payload import parse_post
from stream_getter.x.rules.command import run
from tests.support.misbehaving_server import MisbehavingServer, after, json_line, respond

TOKEN = "token-that-nobody-may-see"
SECONDS = 30.0
REST = "labels: [{name: a, threshold: 1}]\nchannels: {t: {type: stdout}}\nroutes: [{channels: [t]}]\n"
RULES = """\
  - {value: "earthquake lang:en -is:retweet", tag: quake}
  - {value: "(flood OR flooding) lang:en", tag: flood}
  - {value: wildfire}
"""


class TerminalText(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Done:
    code: int
    out: str
    err: str


class Desk:
    """A file, an account at X, and a terminal."""

    def __init__(self, url: str, file: Path) -> None:
        self.file = file
        self.environ = {"X_API_URL": url, "X_BEARER_TOKEN": TOKEN, "ALERTS_CONFIG": str(file)}
        self._endpoint = f"{url}/2/tweets/search/stream/rules"

    def write(self, rules: str) -> None:
        self.file.write_text(f"{REST}rules:\n{rules}", encoding="utf-8")

    def run(self, command: str, answer: str | None = None, out: io.StringIO | None = None) -> Done:
        """``answer`` is what somebody types; None is nobody there."""
        in_ = io.StringIO() if answer is None else TerminalText(f"{answer}\n")
        out, err = out or io.StringIO(), io.StringIO()
        code = run(command.split(), self.environ, Terminal(in_, out, err))
        assert TOKEN not in out.getvalue() + err.getvalue()
        return Done(code, out.getvalue().replace(self.environ["X_API_URL"], "http://x"), err.getvalue())

    def mistake(self, command: str) -> str:
        with pytest.raises((UserMistake, Unavailable)) as caught:
            self.run(command)
        assert TOKEN not in str(caught.value)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(self.environ["X_API_URL"], "http://x").replace(str(self.file), "alerts.yaml")

    def at_x(self) -> dict[str, str]:
        listed = self._ask("GET")["data"] if self._ask("GET").get("data") else []
        return {rule["value"]: rule.get("tag", "") for rule in listed}

    def put(self, *rules: tuple[str, str]) -> None:
        """Rules of somebody else."""
        self._ask("POST", json={"add": [{"value": value, "tag": tag} for value, tag in rules]})

    def _ask(self, method: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return requests.request(method, self._endpoint, headers=headers, timeout=SECONDS, **options).json()


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Simulator(Settings(bearer_token=TOKEN)) as running:
        yield running


@pytest.fixture
def desk(simulator: Simulator, tmp_path: Path) -> Desk:
    desk = Desk(simulator.url, tmp_path / "alerts.yaml")
    desk.write(RULES)
    return desk


MANAGED = {
    "earthquake lang:en -is:retweet": "tweet-alerts/quake",
    "(flood OR flooding) lang:en": "tweet-alerts/flood",
    "wildfire": "tweet-alerts/",
}


def test_from_nothing_to_what_the_file_says_and_back(desk: Desk) -> None:
    assert desk.run("list").out == "no rules at http://x: its stream delivers nothing\n"
    planned = desk.run("plan --exit-code")
    assert (planned.code, planned.err, desk.at_x()) == (3, "", {})
    assert planned.out.splitlines() == [
        f"rules at http://x, to be as in {desk.file}:",
        "  + quake     earthquake lang:en -is:retweet",
        "  + flood     (flood OR flooding) lang:en",
        "  + (no tag)  wildfire",
        "  = 0 rules as wanted",
        "3 to add",
    ]
    assert desk.run("plan").code == 0

    done = desk.run("apply")
    assert (done.code, done.err) == (0, "X needs some 20 s until its stream follows\n")
    assert done.out.splitlines()[-1] == "added 3: so X lists them"
    assert desk.at_x() == MANAGED
    assert desk.run("plan --exit-code").code == 0
    again = desk.run("apply")
    assert (again.code, again.out.splitlines()[-1]) == (0, "nothing to do")

    desk.write("  []\n")
    assert desk.run("apply", answer="y").code == 0
    assert desk.at_x() == {}


def test_only_what_differs_is_touched(desk: Desk) -> None:
    desk.run("apply")
    ids = {rule["value"]: rule["id"] for rule in desk._ask("GET")["data"]}
    desk.write(RULES.replace("tag: quake", "tag: tremor").replace("{value: wildfire}", "{value: bushfire}"))
    planned = desk.run("plan")
    assert "  ~ tremor    earthquake lang:en -is:retweet  (tag until now: quake)\n" in planned.out
    assert "  - (no tag)  wildfire\n" in planned.out
    assert planned.out.endswith("1 to add, 1 to delete, 1 to retag\n")
    done = desk.run("apply --yes")
    assert done.out.endswith("added 1, deleted 1, retagged 1: so X lists them\n")
    after_ = {rule["value"]: rule["id"] for rule in desk._ask("GET")["data"]}
    assert after_.keys() == {"earthquake lang:en -is:retweet", "(flood OR flooding) lang:en", "bushfire"}
    assert after_["(flood OR flooding) lang:en"] == ids["(flood OR flooding) lang:en"]


def test_rules_of_others_stay_unless_the_user_says_otherwise(desk: Desk) -> None:
    desk.put(("cats", ""), ("wildfire", "theirs"))
    done = desk.run("apply --yes")
    assert done.code == 1
    assert (
        "  ! (no tag)  wildfire  (at X already, with the tag theirs, not managed here: --adopt takes it over)"
        in done.out
    )
    assert done.err.endswith("1 wanted rule not managed here, left as they were: --adopt takes them over\n")
    assert desk.at_x() == MANAGED | {"wildfire": "theirs", "cats": ""}

    assert desk.run("apply --adopt --yes").code == 0
    assert desk.at_x() == MANAGED | {"cats": ""}
    assert "  - (no tag)  cats  (not managed here)\n" in desk.run("plan --delete-unmanaged").out
    assert desk.run("apply --delete-unmanaged --yes").code == 0
    assert desk.at_x() == MANAGED


def test_nothing_is_deleted_without_a_yes(desk: Desk) -> None:
    desk.run("apply")
    desk.write("  - {value: wildfire}\n")
    assert desk.mistake("apply").startswith("--yes: expected it where standard input is no terminal")
    declined = desk.run("apply", answer="n")
    assert (declined.code, declined.err) == (1, "delete 2 rules? [y/N] nothing was done\n")
    assert desk.at_x() == MANAGED
    assert desk.run("apply", answer="y").code == 0
    assert list(desk.at_x()) == ["wildfire"]


def test_more_rules_than_a_page_and_a_request_hold(desk: Desk) -> None:
    desk.write("".join(f"  - {{value: word{number}, tag: t{number % 7}}}\n" for number in range(2101)))
    with Simulator(Settings(bearer_token=TOKEN, max_rules=2500)) as large:
        desk.environ["X_API_URL"] = large.url
        assert desk.run("apply --max-rules 2500").out.endswith("added 2,101: so X lists them\n")
        rules = json.loads(desk.run("list --json").out)["rules"]
        assert "  = 2,101 rules as wanted\n" in desk.run("plan --max-rules 2500").out
        assert desk.mistake("plan") == "alerts.yaml: rules: expected at most 1,000 rules (see --max-rules), got 2,101"
    assert len(rules) == 2101
    assert rules[2100] | {"id": "1"} == {"id": "1", "managed": True, "tag": "t0", "value": "word2100"}


def test_what_x_refuses_is_told_of_each_rule_and_then_nothing_is_done(desk: Desk) -> None:
    desk.write(f"{RULES}  - {{value: {'x' * 1025}, tag: long}}\n")
    said = "X refuses it: UnprocessableEntity: Rule must be at most 1024 characters, found 1025"
    planned = desk.run("plan --max-length 2048")
    assert planned.code == 1
    lines = planned.out.splitlines()
    assert lines[lines.index(f"    {said}") - 1].startswith("  + long      xxx")
    done = desk.run("apply --max-length 2048 --yes")
    assert (done.code, done.err) == (1, "stream-getter: nothing was done: X refuses 1 rule\n")
    assert desk.at_x() == {}


def test_the_cap_of_the_account_is_looked_at_before_anything_is_done(desk: Desk) -> None:
    desk.put(("cats", ""))
    said = desk.mistake("apply --max-rules 3")
    assert said == (
        "alerts.yaml: rules: expected at most 3 rules (see --max-rules), got 3, beside 1 at X that are not managed here"
    )


def test_the_file_alone_is_checked_without_token_or_network(desk: Desk) -> None:
    desk.environ = {"ALERTS_CONFIG": str(desk.file), "X_API_URL": "nonsense"}
    assert desk.run("check").out == f"{desk.file}: 3 rules, no mistake found; X's own verdict: plan\n"
    desk.write("  - {value: lang:en}\n  - {value: flood}\n  - {value: (flood}\n")
    checked = desk.run("check")
    assert (checked.code, checked.out) == (2, "")
    first, second = checked.err.splitlines()
    assert first.startswith(f"stream-getter: {desk.file}: rules[0].value: expected at least one word")
    assert second.startswith(f"stream-getter: {desk.file}: rules[2].value: expected a closing parenthesis")
    desk.file.write_text(REST)
    assert desk.run("check").out == f"{desk.file}: no rules: X's are left as they are\n"


def test_another_file_than_the_environments(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other name.yaml"
    other.write_text(f"{REST}rules: [{{value: ice}}]\n")
    assert (
        run(["plan", "--config", f"'{other}'"], desk.environ, Terminal(io.StringIO(), io.StringIO(), io.StringIO()))
        == 0
    )
    assert (
        desk.mistake("plan --config nowhere.yaml")
        == "nowhere.yaml: expected a readable file, got: No such file or directory"
    )
    assert desk.mistake("plan --config s3://bucket/key") == (
        "environment: AWS_REGION: expected a region such as us-east-1, got nothing"
    )


@pytest.mark.parametrize(
    ("command", "changes", "said"),
    [
        ("plan", {"X_BEARER_TOKEN": ""}, "environment: X_BEARER_TOKEN: expected a text that is not empty, got nothing"),
        ("list", {"X_BEARER_TOKEN": f"{TOKEN}\u201d"}, "environment: X_BEARER_TOKEN: expected printable ASCII"),
        (
            "list",
            {"X_BEARER_TOKEN": f"{TOKEN}-old"},
            "environment: X_BEARER_TOKEN: expected a token that http://x accepts",
        ),
        ("plan", {"X_API_URL": "x.com"}, "environment: X_API_URL: expected a URL such as"),
        ("plann", {}, "argument COMMAND: invalid choice: 'plann'"),
        ("plan --yes", {}, "unrecognized arguments: --yes"),
        ("plan --max-length 4096", {}, "argument --max-length: expected a whole number from 1 to 2,048, got '4096'"),
        ("list --wait -1", {}, "argument --wait: expected"),
        ("", {}, "the following arguments are required: COMMAND"),
    ],
)
def test_a_mistake_is_one_line(desk: Desk, command: str, changes: dict[str, str], said: str) -> None:
    url = desk.environ["X_API_URL"]
    desk.environ |= changes
    with pytest.raises(UserMistake) as caught:
        desk.run(command)
    assert str(caught.value).replace(url, "http://x").startswith(said)
    assert TOKEN not in str(caught.value)


def test_tags_and_values_of_others_do_nothing_to_a_terminal(desk: Desk) -> None:
    desk.put(("evil \x1b[2J\u202e", "tag\n  + fake \x1b]0;title\x07"), ("wildfire", "\x1b[31mtheirs"))
    out = TerminalText()
    shown = desk.run("list", out=out).out + desk.run("plan --delete-unmanaged", out=TerminalText()).out
    colors = ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m")
    for color in colors:
        shown = shown.replace(color, "")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert not any(line.startswith("  + fake") for line in shown.splitlines())
    assert r"evil \u001b[2J\u202e" in shown


def test_colors_are_for_terminals_that_want_them(desk: Desk) -> None:
    assert "\x1b" not in desk.run("plan").out
    assert "\x1b[32m  + quake" in desk.run("plan", out=TerminalText()).out
    desk.environ["NO_COLOR"] = "1"
    assert "\x1b" not in desk.run("plan", out=TerminalText()).out


def test_a_post_brings_its_tag_as_the_user_wrote_it(desk: Desk) -> None:
    desk.run("apply")
    rules = [{"id": rule["id"], "tag": rule["tag"]} for rule in desk._ask("GET")["data"]]
    line = json_line(data={"id": "1", "text": "t"}, matching_rules=[*rules, {"id": "9", "tag": "theirs"}])
    post = parse_post(line, datetime(2026, 11, 20, tzinfo=UTC), "trace")
    assert [rule.tag for rule in post.rules] == ["quake", "flood", "", "theirs"]


def process(desk: Desk, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "stream_getter", *arguments],
        env={**os.environ, **desk.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(started: "subprocess.Popen[str]") -> Done:
    with started:
        try:
            out, err = started.communicate(timeout=SECONDS)
        finally:
            started.kill()
    return Done(started.returncode, out, err)


def test_the_command_itself(desk: Desk) -> None:
    running = [
        process(desk, "rules", "apply"),
        process(desk, "rules", "nonsense"),
        process(desk, "nonsense"),
        process(desk, "--help"),
    ]
    applied, wrong, unknown, helped = map(ended, running)
    assert (applied.code, desk.at_x()) == (0, MANAGED)
    assert (wrong.code, wrong.err.startswith("stream-getter: argument COMMAND: ")) == (2, True)
    assert (unknown.code, unknown.err) == (2, "stream-getter: expected no argument, or one of rules, got 'nonsense'\n")
    assert (helped.code, "stream-getter rules" in helped.out) == (0, True)


def test_ctrl_c_ends_the_work_after_the_request_in_hand_and_tells_what_was_done(desk: Desk) -> None:
    values = [f"word{number}" for number in range(150)]
    desk.write("".join(f"  - {{value: {value}}}\n" for value in values))
    first = [{"id": str(number), "value": value, "tag": "tweet-alerts/"} for number, value in enumerate(values[:100])]
    answered = respond("201 Created", json.dumps({"data": first}).encode())
    listed = respond("200 OK", json.dumps({"data": first}).encode())
    go_on = threading.Event()
    nothing = respond("200 OK", b"{}")
    with MisbehavingServer(nothing, nothing, nothing, after(go_on, answered), listed) as x:
        desk.environ["X_API_URL"] = x.url
        started = process(desk, "rules", "apply")
        x.wait_for_requests(4)  # a list, two dry runs, and the first batch
        started.send_signal(signal.SIGINT)
        go_on.set()
        done = ended(started)
        assert [request.split()[0] for request in x.requests] == ["GET", "POST", "POST", "POST", "GET"]
    assert done.code == 130
    assert done.out.endswith("added 100 of 150: so X lists them\n")
    assert done.err.splitlines()[0] == "not added: (no tag)  word100"
    assert len(done.err.splitlines()) == 50


def test_ctrl_c_while_nothing_is_in_hand(desk: Desk) -> None:
    never = threading.Event()
    with MisbehavingServer(after(never)) as x:
        desk.environ["X_API_URL"] = x.url
        started = process(desk, "rules", "list")
        x.wait_for_requests(1)
        started.send_signal(signal.SIGINT)
        done = ended(started)
        never.set()
    assert (done.code, done.out, done.err) == (130, "", "stream-getter: stopped\n")
