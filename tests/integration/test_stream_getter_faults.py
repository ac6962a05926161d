"""Everything that X's stream can do wrong, by the simulator: each post arrives once, and what does not is counted."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from pipeline.contracts import decode_post
from simulator import Settings, Simulator
from simulator.clock import Clock
from simulator.faults import KINDS
from tests.support.misbehaving_server import MisbehavingServer, end, stream
from tests.support.polling import wait_until
from tests.support.simulator_ledger import SimulatorLedger, assert_balanced
from tests.support.x_payload_strategies import many_lines
from tests.support.x_reader import NOW, SECONDS, XReader, reading

TOKEN = "secret"
POSTS = 60
#: Much more than keep-alives are apart, even on a busy machine.
STALL_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 0.1

Faults = list[dict[str, Any]]


class Run(NamedTuple):
    """What is left to look at when it is over."""

    ledger: SimulatorLedger
    reader: XReader
    waits: list[float]


def payload(number: int) -> dict[str, Any]:
    post_id = str(1_790_000_000_000_000_000 + number)
    return {
        "data": {
            "id": post_id,
            "text": f"Smoke over the harbour \U0001f525 {number}",
            "author_id": "7",
            "created_at": "2026-11-20T08:15:00.000Z",
            "edit_history_tweet_ids": [post_id],
        },
        "includes": {"users": [{"id": "7", "name": "Ann", "username": "ann"}]},
        "matching_rules": [{"id": "1", "tag": "fire"}],
    }


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def run(folder: Path, faults: Faults, *, posts: int = POSTS, backfill_minutes: int = 0, **settings: Any) -> Run:
    """Plays the posts through the faults; everything has come to its end when this returns."""
    (folder / "posts.jsonl").write_bytes(b"\n".join(msgspec.json.encode(payload(number)) for number in range(posts)))
    played = Settings(
        bearer_token=TOKEN,
        posts=(folder / "posts.jsonl",),
        ledger=folder / "ledger.jsonl",
        keep_alive=KEEP_ALIVE_SECONDS,
        **settings,
    )
    simulator = Simulator(played, Clock(now=lambda: NOW))
    simulator.add_faults(*faults)
    # where nothing is silent for ever, a machine that stands still for a while must not look as if it were
    silent = any(fault["what"] in ("stall", "half-line") and "seconds" not in fault for fault in faults)
    stall_seconds = STALL_SECONDS if silent else SECONDS
    with simulator, reading(simulator.url, TOKEN, stall_seconds, backfill_minutes) as reader:
        # a fault after the last post must act as well
        wait_until(
            lambda: simulator.health()["state"] == "finished" and not simulator.waiting_faults, "the last post", SECONDS
        )
        reader.stopping.last()
        simulator.stop()
        reader.join()
        # the last wait is that after the simulator's end
        return Run(SimulatorLedger(folder / "ledger.jsonl"), reader, reader.stopping.waits[:-1])


class Case(NamedTuple):
    """Faults, the waits that they lead to, and the reasons under which their lines are counted."""

    faults: Faults
    waits: Sequence[float] = ()
    refused: Sequence[str] = ()


CASES = {
    "stall": Case([{"what": "stall", "after_posts": 5}], [0.0]),
    "short silence": Case([{"what": "stall", "after_posts": 5, "seconds": 0.3}]),
    "stall before an answer": Case([{"what": "stall", "attempts": 1}], [0.0]),
    "reset": Case([{"what": "reset", "after_posts": 5}], [0.0]),
    "reset before an answer": Case([{"what": "reset", "attempts": 3}], [0.0, 0.25, 0.5]),
    "end before an answer": Case([{"what": "end", "attempts": 2}], [0.0, 0.25]),
    "cut": Case([{"what": "cut", "after_posts": 5}], [0.0], ["cut off"]),
    "half a line, then silence": Case([{"what": "half-line", "after_posts": 5}], [0.0], ["cut off"]),
    "slow": Case([{"what": "slow", "after_posts": 5, "times": 3, "seconds": 0.0005}]),
    "clean end": Case([{"what": "end", "after_posts": 5}], [0.0]),
    "clean end before the first post": Case([{"what": "end"}], [0.0]),
    "operational disconnect": Case([{"what": "operational-disconnect", "after_posts": 5}], [0.0], ["error message"]),
    "rate limit": Case([{"what": "rate-limit", "seconds": 700}], [700.0]),
    "rate limit that turns soon": Case([{"what": "rate-limit", "seconds": 1, "attempts": 2}], [60.0, 120.0]),
    "too many connections": Case([{"what": "too-many-connections", "attempts": 2}], [5.0, 10.0]),
    "503": Case([{"what": "status", "attempts": 3}], [5.0, 10.0, 20.0]),
    "401": Case([{"what": "status", "status": 401}], [5.0]),
    "redirect": Case([{"what": "status", "status": 302}], [5.0]),
    "page": Case([{"what": "html-page"}], [5.0]),
    "JSON that is no stream": Case([{"what": "no-stream"}], [0.0], ["cut off"]),
    "gzip": Case([{"what": "gzip"}]),
    "gzip that is cut": Case([{"what": "gzip"}, {"what": "cut", "after_posts": 5}], [0.0], ["cut off"]),
    "duplicates": Case([{"what": "duplicates", "after_posts": 5, "times": 10}]),
    "disorder": Case([{"what": "disorder", "after_posts": 5, "times": 10}]),
    "unknown messages": Case([{"what": "unknown-message", "after_posts": 5, "times": 3}], [], ["unknown message"]),
    "errors beside": Case([{"what": "partial-errors", "after_posts": 5, "times": 3}]),
    "missing fields": Case([{"what": "missing-fields", "after_posts": 5, "times": 3}]),
    "missing text": Case(
        [{"what": "missing-fields", "fields": ["text"], "after_posts": 5, "times": 3}], [], ["no id or text"]
    ),
    "malformed": Case([{"what": "malformed", "after_posts": 5, "times": 3}], [], ["not JSON"]),
    "overlong": Case([{"what": "overlong", "after_posts": 5}], [], ["too long"]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_fault_costs_no_post(case: Case, tmp_path: Path) -> None:
    ledger, reader, waits = run(tmp_path, case.faults)
    for fault in case.faults:
        assert ledger.faults[fault["what"]] == fault.get("times", fault.get("attempts", 1))
    assert_balanced(ledger, reader)
    whole = POSTS - len(ledger.ids("cut")) - len(ledger.ids("spoiled"))
    assert len(reader.forwarded) == whole
    assert waits == list(case.waits)
    assert list(reader.by_label("lines_refused")) == list(case.refused)


def test_every_kind_of_fault_has_a_case() -> None:
    assert {fault["what"] for case in CASES.values() for fault in case.faults} == KINDS.keys() - {"ghost"}


def test_a_ghost_that_takes_the_only_place_is_ended(tmp_path: Path) -> None:
    ledger, reader, waits = run(tmp_path, [{"what": "end", "after_posts": 5}, {"what": "ghost"}])
    assert_balanced(ledger, reader)
    assert len(reader.forwarded) == POSTS
    # the third refusal in a row makes the reader end what X counts, and it is let in soon after
    assert waits == [0.0, 5.0, 10.0, 5.0]
    assert reader.by_label("connection_resets") == {"ended": 1.0}


def test_backfill_brings_what_was_cut_off(tmp_path: Path) -> None:
    faults = [{"what": what, "after_posts": 5} for what in ("cut", "half-line", "reset", "cut")]
    ledger, reader, _ = run(tmp_path, faults, backfill_minutes=5)
    assert ledger.connections == 5
    assert_balanced(ledger, reader)
    assert len(reader.forwarded) == POSTS


def test_posts_that_came_in_disorder_are_the_same_posts(tmp_path: Path) -> None:
    ledger, reader, _ = run(tmp_path, [{"what": "disorder", "times": POSTS}])
    assert reader.forwarded == ledger.ids("sent") == [payload(number)["data"]["id"] for number in range(POSTS)][::-1]


@pytest.mark.parametrize("number", range(3))
def test_all_faults_in_random_order(number: int, tmp_path: Path) -> None:
    faults = mixed(random.Random(number))
    ledger, reader, _ = run(tmp_path, faults, posts=1500, backfill_minutes=(number % 2) * 5)
    assert ledger.faults.keys() == KINDS.keys() - {"ghost"}
    assert reader.by_label("connection_resets").get("ended", 0.0) >= 1
    assert_balanced(ledger, reader)
    assert len(reader.forwarded) >= 1500 - len(ledger.ids("cut")) - len(ledger.ids("spoiled"))


def mixed(rng: random.Random) -> Faults:
    """Every kind, with what it knows of its own choosing; those that are waited out only once, the others twice."""
    once = ("stall", "half-line", "ghost")
    faults: Faults = []
    for what, kind in KINDS.items():
        for _ in range(1 if what in once else 2):
            fault: dict[str, Any] = {"what": what}
            if kind.on_attempts and (not kind.on_streams or rng.random() < 0.3):
                fault["attempts"] = 1 if what == "gzip" else rng.randint(1, 3)
            elif kind.on_streams:
                fault["after_posts"] = rng.randint(0, 30)
            if "times" in kind.keys and what not in ("overlong", "ghost"):
                fault["times"] = rng.randint(1, 5)
            if what == "slow":
                fault["seconds"] = 0.0
            if what == "missing-fields":
                fault["fields"] = rng.sample(["text", "id", "author_id", "created_at"], 2)
            faults.append(fault)
    rng.shuffle(faults)
    # a fault for attempts has its turn only after an end, so that none waits for ever
    return [one for fault in faults for one in ([{"what": "end"}, fault] if "attempts" in fault else [fault])]


def test_each_mutated_payload_is_a_post_or_a_counted_refusal() -> None:
    mutated = many_lines(10_000, number=6)
    bodies = [b"\r\n".join(mutated[start : start + 50]) + b"\r\n" for start in range(0, len(mutated), 50)]
    with MisbehavingServer(stream(*bodies, end)) as server, reading(server.url, TOKEN) as reader:
        reader.stopping.last()
        reader.join()
    lines = non_empty_lines(bodies)
    received, refused = reader.total("posts_received"), reader.by_label("lines_refused")
    assert received + sum(refused.values()) == lines
    assert received > lines / 10
    assert sum(refused.values()) > lines / 10
    assert reader.total("posts_repeated") + len(reader.writer.bodies) == received
    assert all(decode_post(body).text for body in reader.writer.bodies)


def non_empty_lines(bodies: Iterable[bytes]) -> int:
    return sum(bool(line.strip()) for line in b"".join(bodies).split(b"\n"))
