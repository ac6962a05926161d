"""classifier as a real process under load: what it asks the endpoint, and how little of it."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.contracts import MatchedRule, Post
from tests.support.classifier_process import HARMLESS, ClassifierProcess, numbered
from tests.support.endpoint_stand_in import Call
from tests.support.examples import a_post

CONFIG_WITH_RULES = """
labels:
  - {name: flood, threshold: 0.5}
  - {name: fire, threshold: 0.5, only_rules: [fires]}
  - {name: strike, threshold: 0.5, only_rules: [strikes]}
rules: [{value: a, tag: fires}, {value: b, tag: strikes}, {value: c, tag: others}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""


def reposts(originals: Sequence[Post], count: int, rng: random.Random) -> list[Post]:
    """As they are shared: with the name of who is shared, links of their own, another case."""
    texts: list[Callable[[str, int], str]] = [
        lambda text, number: f"RT @ana{number}: {text}",
        lambda text, number: f"{text} https://t.example/{number}",
        lambda text, _number: text.upper(),
        lambda text, number: f"rt @bo{number}.bsky.social  {text}  www.example.com/{number}",
    ]
    return [
        a_post(f"x:again-{number}", text=rng.choice(texts)(rng.choice(originals).text, number))
        for number in range(count)
    ]


def asked(calls: Sequence[Call]) -> list[Call]:
    """Those about posts."""
    return [call for call in calls if call.texts != (HARMLESS,)]


def test_of_a_thousand_posts_with_reposts_the_model_judges_each_text_once_and_each_post_has_its_alert(
    tmp_path: Path,
) -> None:
    rng = random.Random(7)
    originals = [post for post in numbered(range(750)) if "quiet" not in post.text]
    assert len(originals) == 600
    posts = [*originals, *reposts(originals, 400, rng)]
    rng.shuffle(posts)
    with ClassifierProcess(tmp_path, {"BATCH_TEXTS": "25", "BATCH_PAIRS": "20"}) as work:
        work.send(posts)
        work.start_and_wait()
        work.wait_until_settled()
        work.assert_balanced()
        work.assert_received_once()
        alerts = work.alerts()
        assert len(alerts) == 1000
        assert {alert.post.id: alert.post for alert in alerts} == work.sent
        # nobody says the same twice at the endpoint, of any one call or of all
        calls = asked(work.endpoint.calls)
        assert sum(len(call.texts) for call in calls) == 600
        # one receive brings ten; the bound of texts times labels is the lower one here
        assert 10 < max(len(call.texts) for call in calls) <= 20
        by = {how: work.metric("classifier_answers_total", by=how) or 0 for how in ("model", "shared", "cache")}
        assert by["model"] == 600
        assert by["shared"] + by["cache"] == 400
        assert work.metric("classifier_posts_judged_total", source="x", outcome="alert") == 1000


def test_calls_become_small_while_the_endpoint_is_slow_and_large_again(tmp_path: Path) -> None:
    with ClassifierProcess(tmp_path, {"WORKERS": "1"}, module="tests.support.impatient_classifier") as work:
        # for 16 texts it takes longer than the client waits
        per_text = [0.07]

        def slow(call: Call) -> None:
            work.endpoint.seconds = per_text[0] * len(call.texts)

        work.endpoint.behave = slow
        work.start_and_wait()
        work.send(numbered(range(40)))
        work.wait_until_settled()
        sizes = [len(call.texts) for call in asked(work.endpoint.calls)]
        assert max(sizes) >= 16
        too_large = next(number for number, size in enumerate(sizes) if size >= 16)
        assert max(sizes[too_large + 1 :]) < 16
        assert work.metric("classifier_endpoint_calls_total", endpoint="minilm", outcome="EndpointTooSlow")
        per_text[0] = 0.001
        before = len(sizes)
        work.send(numbered(range(40, 740)))
        work.wait_until_settled()
        assert max(len(call.texts) for call in asked(work.endpoint.calls)[before:]) > 16
        work.assert_balanced()
        work.assert_received_once()


def test_labels_for_some_rules_are_asked_about_for_posts_of_these_rules_alone(tmp_path: Path) -> None:
    sets = {"fires": {"flood", "fire"}, "strikes": {"flood", "strike"}, "others": {"flood"}}
    posts = [
        post
        for tag in sets
        for post in numbered(range(len(tag) * 1000, len(tag) * 1000 + 150), rules=[MatchedRule(id="1", tag=tag)])
    ]
    random.Random(3).shuffle(posts)
    with ClassifierProcess(tmp_path, {"BATCH_TEXTS": "24", "BATCH_PAIRS": "32"}, config=CONFIG_WITH_RULES) as work:
        work.send(posts)
        work.start_and_wait()
        work.wait_until_settled()
        work.assert_balanced()
        labels_of = {
            text: set(call.parameters["candidate_labels"]) for call in asked(work.endpoint.calls) for text in call.texts
        }
        assert {post.text: sets[post.rules[0].tag] for post in posts} == labels_of
        scores = {alert.post.id: {score.name for score in alert.scores} for alert in work.alerts()}
        assert scores == {id_: sets[work.sent[id_].rules[0].tag] for id_ in scores}
        # side by side, in calls of several receives, within both bounds
        most = {1: 0, 2: 0}
        for call in asked(work.endpoint.calls):
            labels = len(call.parameters["candidate_labels"])
            most[labels] = max(most[labels], len(call.texts))
        assert 10 < most[1] <= 24
        assert 10 < most[2] <= 16


EXAMPLES = """
labels: [{name: flood, threshold: 0.5, examples: [the river is over its banks], counter_examples: [a flood of mail]}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""


@pytest.mark.parametrize("attributes", ["model=minilm;examples", ""], ids=["known", "unknown"])
def test_examples_go_to_an_endpoint_that_says_that_it_reads_them(tmp_path: Path, attributes: str) -> None:
    with ClassifierProcess(tmp_path, config=EXAMPLES) as work:
        work.endpoint.custom_attributes = attributes
        work.start_and_wait()
        work.send(numbered(range(200)))
        work.wait_until_settled()
        work.assert_balanced()
        calls = asked(work.endpoint.calls)
        expected = {"flood": ["the river is over its banks"]} if attributes else None
        assert [call.parameters.get("examples") for call in calls] == [expected] * len(calls)
        counter = {"flood": ["a flood of mail"]} if attributes else None
        assert [call.parameters.get("counter_examples") for call in calls] == [counter] * len(calls)
        left_out = [line for line in work.kill() if "examples are left out" in line["event"]]
    assert len(left_out) == (0 if attributes else 1)
