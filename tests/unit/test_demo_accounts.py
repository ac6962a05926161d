"""The demo's accounts are made from the ledgers alone, and every way to lose a post shows in them."""

import json
from pathlib import Path

import pytest

from demo.accounts import Accounts, SamplePost, compare, take_accounts
from demo.summary import summary
from pipeline.alerts_config import AlertsConfig, parse_alerts_config

CONFIG = parse_alerts_config(
    """
    labels: [{name: flood, description: rising water, threshold: 0.5}, {name: fire, threshold: 0.5}]
    channels: {terminal: {type: stdout}}
    routes: [{channels: [terminal]}]
    """,
    "alerts.yaml",
)
SAMPLE = {
    "x:1": SamplePost("x:1", "the river rises", "en", frozenset({"flood"})),
    "x:2": SamplePost("x:2", "a flood of mail", "en", frozenset()),
}
WET = {"rising water": 0.9, "fire": 0.1}
DRY = {"rising water": 0.1, "fire": 0.1}


def _accounts(folder: Path, sent: list[dict[str, object]], seen: list[dict[str, object]]) -> Accounts:
    simulator, recorder = folder / "simulator.jsonl", folder / "recorder.jsonl"
    simulator.write_text("".join(json.dumps(event) + "\n" for event in sent))
    recorder.write_text("".join(json.dumps(event) + "\n" for event in seen))
    return take_accounts(simulator, recorder, SAMPLE, CONFIG)


def _sent(id_: str, at: float = 100.0, repeat: bool = False) -> dict[str, object]:
    return {"event": "sent", "id": id_, "at": at, "connection": 1, "repeat": repeat}


def _judged(text: str, scores: dict[str, float]) -> dict[str, object]:
    return {"event": "judged", "at": 101.0, "text": text, "scores": scores}


def _notified(story: str, at: float = 102.5) -> dict[str, object]:
    return {"event": "notified", "at": at, "story": story, "label": "flood", "subject": "s"}


FINISHED: dict[str, object] = {"event": "finished", "at": 103.0, "posts": 2}
ALL_SENT = [_sent("1"), _sent("2"), FINISHED]
ALL_JUDGED = [_judged("the river rises", WET), _judged("a flood of mail", DRY)]


def test_accounts_balance_when_each_post_is_judged_and_notified_if_and_only_if_due(tmp_path: Path) -> None:
    accounts = _accounts(tmp_path, [*ALL_SENT, _sent("1", 100.4, repeat=True)], [*ALL_JUDGED, _notified("x:1")])
    assert accounts.balanced
    assert accounts.due == {"x:1"}
    assert accounts.repeats_sent == 1
    assert accounts.delays() == [2.5]
    assert "Every post is accounted for." in summary(accounts, SAMPLE, ["flood", "fire"])


@pytest.mark.parametrize(
    ("sent", "seen", "verdict"),
    [
        (ALL_SENT, [_judged("the river rises", WET), _notified("x:1")], "1 never judged (x:2)"),
        (ALL_SENT, ALL_JUDGED, "1 due and not notified (x:1)"),
        (ALL_SENT, [*ALL_JUDGED, _notified("x:1"), _notified("x:2")], "1 notified without reason (x:2)"),
        (ALL_SENT, [*ALL_JUDGED, _notified("x:1"), _notified("x:1")], "1 notified twice (x:1)"),
        (ALL_SENT[:-1], [*ALL_JUDGED, _notified("x:1")], "the stream was not played to its end"),
    ],
)
def test_every_way_to_lose_or_double_a_post_is_named(
    tmp_path: Path, sent: list[dict[str, object]], seen: list[dict[str, object]], verdict: str
) -> None:
    accounts = _accounts(tmp_path, sent, seen)
    assert not accounts.balanced
    assert verdict in summary(accounts, SAMPLE, ["flood", "fire"])


def test_a_score_that_equals_the_threshold_passes(tmp_path: Path) -> None:
    exactly = {"rising water": 0.5, "fire": 0.4999}
    accounts = _accounts(tmp_path, ALL_SENT, [_judged("the river rises", exactly), ALL_JUDGED[1]])
    assert accounts.found["x:1"] == {"flood"}


def test_an_unfinished_last_line_of_a_ledger_is_left_for_later(tmp_path: Path) -> None:
    (tmp_path / "simulator.jsonl").write_text(json.dumps(_sent("1")) + '\n{"event": "se')
    accounts = take_accounts(tmp_path / "simulator.jsonl", tmp_path / "none.jsonl", SAMPLE, CONFIG)
    assert accounts.sent_at == {"x:1": 100.0}


def test_quality_counts_expected_alerted_and_right(tmp_path: Path) -> None:
    wrongly = [_judged("the river rises", WET), _judged("a flood of mail", WET)]
    accounts = _accounts(tmp_path, ALL_SENT, wrongly)
    flood, fire = compare(accounts, SAMPLE, ["flood", "fire"], english=True)
    assert (flood.expected, flood.alerted, flood.right) == (1, 2, 1)
    assert (fire.expected, fire.alerted, fire.right) == (0, 0, 0)


def test_the_committed_configuration_is_valid() -> None:
    config = parse_alerts_config(Path("config/alerts.yaml").read_text(), "config/alerts.yaml")
    assert isinstance(config, AlertsConfig)
