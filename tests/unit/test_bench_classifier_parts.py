"""What the benchmark of classifier is made of: its posts, its stub, and how it finds that a way left work undone."""

import json
import random
import re
from collections.abc import Iterator

import pytest
import requests

from bench.classifier.cores import Cores
from bench.classifier.posts import Posts, number_in, numbers
from bench.classifier.queues import Sent
from bench.classifier.rounds import TOLERANCE, check_alerts
from bench.classifier.stub_endpoint import Books, Slots, Speed, StubEndpoint, is_alert, running_stub
from bench.pipeline.comparison import NotDone
from pipeline.contracts import Post

NO_CORES = Cores(frozenset(), frozenset())


def sameness(text: str) -> str:
    """A repost's text and its original's are the same by this."""
    return re.sub(r"^rt @\w+: |https://\S+", "", text.lower())


def alerts_for(*posts: Post) -> list[Sent]:
    return [Sent(json.dumps({"post": {"id": post.id}}), 0) for post in posts]


def test_no_two_posts_have_the_same_text() -> None:
    posts = Posts()
    texts = [sameness(post.text) for post in [*posts.distinct(300), *posts.distinct(300)]]
    assert len(set(texts)) == 600


def test_numbers_are_found_in_other_capitals_too() -> None:
    (post,) = Posts().distinct(1)
    assert post.id == f"bench:{number_in(post.text.upper())}"
    assert number_in("no number (12)") is None


def test_a_repost_repeats_a_post_before_it_and_never_letter_by_letter() -> None:
    posts = Posts().with_reposts(500, 0.4, random.Random(3))
    seen: dict[str, str] = {}
    reposts = 0
    for post in posts:
        same = sameness(post.text)
        if post.text.startswith("RT @reader"):
            reposts += 1
            assert same in seen
            assert seen[same] not in post.text
        else:
            assert same not in seen
            seen[same] = post.text
    assert (reposts, len(seen)) == (200, 300)
    assert len({post.id for post in posts}) == 500


def test_the_same_seed_gives_the_same_stream() -> None:
    one, other = (Posts().with_reposts(50, 0.4, random.Random(3)) for _ in range(2))
    assert [post.text for post in one] == [post.text for post in other]


@pytest.fixture(scope="module")
def stub() -> Iterator[StubEndpoint]:
    with running_stub(Speed(call=0.0, text=0.0), NO_CORES) as endpoint:
        yield endpoint


def ask(stub: StubEndpoint, inputs: object, path: str = "/endpoints/any/invocations") -> requests.Response:
    body = {"inputs": inputs, "parameters": {"candidate_labels": ["flood", "storm"], "multi_label": True}}
    return requests.post(stub.url + path, json=body, timeout=10, proxies={"http": ""})


def test_the_stub_answers_by_a_posts_number_and_keeps_books(stub: StubEndpoint) -> None:
    stub.books()
    some = Posts().distinct(10)
    answers = ask(stub, [post.text for post in some]).json()
    assert [answer["scores"][0] > 0.5 for answer in answers] == [is_alert(number) for number in numbers(some)]
    assert [answer["labels"] for answer in answers] == [["flood", "storm"]] * 10
    books = stub.books()
    assert (books.calls, books.texts, set(books.seconds)) == (1, 10, set(numbers(some)))
    assert stub.books() == Books()


def test_the_stub_answers_one_text_with_an_object_and_leaves_a_harmless_one_out_of_its_books(
    stub: StubEndpoint,
) -> None:
    stub.books()
    assert ask(stub, "Good morning.").json()["scores"] == [0.0, 0.0]
    assert stub.books() == Books()


@pytest.mark.parametrize(("inputs", "path", "status"), [(["a"], "/invocations", 404), ([1], None, 400)])
def test_the_stub_refuses_what_is_not_the_protocol(
    stub: StubEndpoint, inputs: object, path: str | None, status: int
) -> None:
    assert ask(stub, inputs, path or "/endpoints/any/invocations").status_code == status


def test_calls_wait_for_a_free_slot() -> None:
    one, two = Slots(1), Slots(2)
    assert [one.end_of_call(arrived, 5.0) for arrived in (0.0, 1.0, 20.0)] == [5.0, 10.0, 25.0]
    assert [two.end_of_call(arrived, 5.0) for arrived in (0.0, 1.0, 2.0)] == [5.0, 6.0, 10.0]


def test_an_alert_too_few_too_many_or_twice_is_found() -> None:
    passes, fails, close = posts = Posts().distinct(3)
    margins = [0.3, -0.3, -TOLERANCE / 2]
    check_alerts("ours", posts, margins, alerts_for(passes))
    check_alerts("ours", posts, margins, alerts_for(passes, close))
    with pytest.raises(NotDone, match="got 1 without one, 0 where none should be, 0 repeated"):
        check_alerts("ours", posts, margins, alerts_for())
    with pytest.raises(NotDone, match="got 0 without one, 1 where none should be, 0 repeated"):
        check_alerts("ours", posts, margins, alerts_for(passes, fails))
    with pytest.raises(NotDone, match="got 0 without one, 0 where none should be, 1 repeated"):
        check_alerts("ours", posts, margins, alerts_for(passes, passes))
