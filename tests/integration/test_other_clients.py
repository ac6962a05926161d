"""Two other clients of X, tweepy and X's own xdk, at work with the simulator: it speaks as X does."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import tweepy
from tweepy.streaming import StreamingClient, StreamRule
from xdk import Client
from xdk.connections.models import DeleteAllResponse
from xdk.stream.models import UpdateRulesRequest
from xdk.streaming import StreamConfig, StreamError, StreamErrorType

from simulator import Settings, Simulator
from tests.support.polling import wait_until
from tests.support.x_address import ElsewhereAdapter

TOKEN = "secret"
TWEEPY_HOST = "https://api.twitter.com"
POSTS = 20
SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "posts_dev.jsonl"
FIELDS = ["author_id", "created_at", "lang", "note_tweet", "referenced_tweets"]
EXPANSIONS = ["author_id", "referenced_tweets.id"]


def payloads() -> list[dict[str, Any]]:
    return [json.loads(line)["post"] for line in SAMPLES.read_bytes().splitlines()[:POSTS]]


def ids_and_texts() -> list[tuple[str, str]]:
    return [(payload["data"]["id"], payload["data"]["text"]) for payload in payloads()]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps(payload) + "\n" for payload in payloads()))
    settings = Settings(bearer_token=TOKEN, posts=(posts,), keep_alive=0.05, max_rules=3000)
    with Simulator(settings) as running:
        yield running


class Tweepy(StreamingClient):  # type: ignore[misc]
    """tweepy's client, led to the simulator; it leaves once it has so many posts."""

    def __init__(self, simulator: Simulator, posts: int = POSTS) -> None:
        super().__init__(TOKEN, max_retries=3)
        self._posts = posts
        self.responses: list[tweepy.StreamResponse] = []
        self.heard: list[str] = []
        self.session.mount(TWEEPY_HOST, ElsewhereAdapter(TWEEPY_HOST, simulator.url))

    def on_response(self, response: tweepy.StreamResponse) -> None:
        """A line: a post with all that came with it, or errors."""
        if response.data is None:
            return  # on_errors has it
        self.responses.append(response)
        if len(self.responses) == self._posts:
            self.disconnect()

    def on_keep_alive(self) -> None:
        """A blank line."""
        self.heard.append("keep-alive")
        if len(self.responses) >= POSTS:
            self.disconnect()

    def on_errors(self, errors: list[dict[str, Any]]) -> None:
        """Errors in the stream."""
        self.heard += [error["title"] for error in errors]

    def on_closed(self, response: Any) -> None:
        """The simulator has ended the stream."""
        self.heard.append("closed")

    def on_exception(self, exception: Exception) -> None:
        """Fails the test: tweepy would only log it."""
        raise exception


@pytest.fixture
def xdk(simulator: Simulator) -> Iterator[Client]:
    client = Client(base_url=simulator.url, bearer_token=TOKEN)
    yield client
    client.session.close()


def test_tweepy_reads_the_posts(simulator: Simulator) -> None:
    client = Tweepy(simulator)
    client.filter(tweet_fields=FIELDS, expansions=EXPANSIONS)
    assert [(str(one.data.id), one.data.text) for one in client.responses] == ids_and_texts()
    for response, payload in zip(client.responses, payloads(), strict=True):
        assert response.data.author_id == int(payload["data"]["author_id"])
        assert response.data.created_at is not None
        assert [rule.tag for rule in response.matching_rules] == [rule["tag"] for rule in payload["matching_rules"]]
        assert {str(user.id) for user in response.includes["users"]} == {payload["data"]["author_id"]}


def test_tweepy_goes_on_after_an_end_and_hears_what_else_is_said(simulator: Simulator) -> None:
    simulator.add_faults(
        {"what": "operational-disconnect", "after_posts": 5}, {"what": "stall", "after_posts": 5, "seconds": 0.2}
    )
    # it stays for the first blank line after all posts
    client = Tweepy(simulator, POSTS + 1)
    client.filter()
    assert [(str(one.data.id), one.data.text) for one in client.responses] == ids_and_texts()
    assert client.heard[:2] == ["operational-disconnect", "closed"]
    assert "keep-alive" in client.heard


def test_tweepy_adds_lists_and_deletes_rules(simulator: Simulator) -> None:
    client = Tweepy(simulator)
    tried = client.add_rules(StreamRule("flood"), dry_run=True)
    assert tried.meta["summary"]["created"] == 1
    assert client.get_rules().data is None
    added = client.add_rules([StreamRule("flood", tag="water"), StreamRule("fire")])
    assert [(rule.value, rule.tag) for rule in added.data] == [("flood", "water"), ("fire", None)]
    assert client.get_rules().data == added.data
    again = client.add_rules(StreamRule("fire"))
    assert [(error["title"], error["id"]) for error in again.errors] == [("DuplicateRule", added.data[1].id)]
    assert client.delete_rules([rule.id for rule in added.data]).meta["summary"]["deleted"] == 2
    assert client.get_rules().data is None
    client.session.close()


def test_xdk_reads_the_posts(xdk: Client) -> None:
    stream = xdk.stream.posts(tweet_fields=FIELDS, expansions=EXPANSIONS)
    posts = list(islice(stream, POSTS))
    stream.close()
    assert [(post.data.id, post.data.text) for post in posts] == ids_and_texts()
    for post, payload in zip(posts, payloads(), strict=True):
        assert [rule.tag for rule in post.matching_rules] == [rule["tag"] for rule in payload["matching_rules"]]
        assert [user.id for user in post.includes.users] == [payload["data"]["author_id"]]


def test_xdk_goes_on_after_faults_that_it_tells_apart(simulator: Simulator, xdk: Client) -> None:
    simulator.add_faults(
        {"what": "rate-limit"},
        {"what": "status"},
        {"what": "cut", "after_posts": 5},
        {"what": "reset", "after_posts": 5},
    )
    errors: list[StreamErrorType] = []
    config = StreamConfig(initial_backoff=0.01, on_error=lambda error: errors.append(error.error_type))
    stream = xdk.stream.posts(stream_config=config)
    posts = list(islice(stream, POSTS - 1))
    stream.close()
    whole = ids_and_texts()
    assert [(post.data.id, post.data.text) for post in posts] == whole[:5] + whole[6:]
    assert errors[:2] == [StreamErrorType.RATE_LIMITED, StreamErrorType.SERVER_ERROR]
    assert len(errors) == 4


def test_xdk_is_told_that_its_token_is_wrong(simulator: Simulator) -> None:
    client = Client(base_url=simulator.url, bearer_token="wrong")
    with pytest.raises(StreamError) as refused:
        next(client.stream.posts())
    client.session.close()
    assert refused.value.error_type is StreamErrorType.AUTHENTICATION_ERROR


def test_xdk_adds_lists_and_deletes_more_rules_than_a_page_holds(xdk: Client) -> None:
    wanted = [{"value": f"rule {number}", "tag": f"tag {number}"} for number in range(2500)]
    added = xdk.stream.update_rules(UpdateRulesRequest.model_validate({"add": wanted}))
    assert added.meta.summary["created"] == 2500
    pages = list(xdk.stream.get_rules())
    assert [page.meta.result_count for page in pages] == [1000, 1000, 500]
    listed = [rule for page in pages for rule in page.data]
    assert [{"value": rule.value, "tag": rule.tag} for rule in listed] == wanted
    ids = [rule.id for rule in listed]
    deleted = xdk.stream.update_rules(UpdateRulesRequest.model_validate({"delete": {"ids": ids[:2000]}}))
    assert deleted.meta.summary == {"deleted": 2000, "not_deleted": 0}
    assert [rule.id for rule in next(xdk.stream.get_rules()).data] == ids[2000:]


def test_xdk_sees_and_ends_connections(simulator: Simulator, xdk: Client) -> None:
    simulator.add_faults({"what": "ghost"})
    (page,) = xdk.connections.get_connection_history()
    (ghost,) = page.data
    assert (ghost.endpoint_name, ghost.disconnected_at) == ("filtered_stream", None)
    ended: DeleteAllResponse = xdk.connections.delete_all()
    assert (ended.data.successful_kills, ended.data.failed_kills) == (1, 0)
    assert [one.uuid for one in ended.data.results] == [ghost.id]
    (page,) = xdk.connections.get_connection_history(status="inactive")
    assert [one.disconnect_reason for one in page.data] == ["operator_disconnect"]


def test_xdk_reads_the_usage_of_a_day(simulator: Simulator, xdk: Client) -> None:
    stream = xdk.stream.posts()
    next(stream)
    wait_until(lambda: simulator.health()["state"] == "finished", "the last post")
    usage = xdk.usage.get(usage_fields=["daily_project_usage", "project_usage"]).data
    stream.close()
    assert usage.project_usage == str(POSTS)
    assert [day.usage for day in usage.daily_project_usage.usage] == [str(POSTS)]
