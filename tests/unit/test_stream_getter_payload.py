"""X's payload to Post: what is read from it, and what is passed over with a reason."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import Author, MatchedRule, Post, decode_post, encode
from pipeline.sqs_rules import BATCH_BYTES, message_size
from stream_getter.x.payload import LINKS_LIMIT, TEXT_LIMIT, NoPost, parse_line, parse_post

RECEIVED = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)
SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def parse(payload: Any) -> Post:
    line = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return parse_post(line, RECEIVED, "trace-1")


def parse_tweet(**fields: Any) -> Post:
    return parse({"data": {"id": "5", "text": "hello"} | fields})


def reason_for(payload: Any) -> str:
    with pytest.raises(NoPost) as caught:
        parse(payload)
    return str(caught.value)


@pytest.mark.parametrize("half", ["dev", "test"])
def test_every_sample_is_a_post(half: str) -> None:
    with (SAMPLES / f"posts_{half}.jsonl").open(encoding="utf-8") as lines:
        payloads = [json.loads(line)["post"] for line in lines]
    posts = [parse(payload) for payload in payloads]
    assert [post.id for post in posts] == [f"x:{payload['data']['id']}" for payload in payloads]
    # none of them took the way of the wrong types, where all but id and text is lost
    assert all(post.author.username and post.lang and post.rules for post in posts)
    assert all(post.created_at != RECEIVED for post in posts)
    assert [decode_post(encode(post)) for post in posts] == posts


def test_id_and_text_are_enough() -> None:
    assert parse_tweet() == Post(
        v=1,
        id="x:5",
        source="x",
        text="hello",
        author=Author(),
        url="https://x.com/i/status/5",
        created_at=RECEIVED,
        received_at=RECEIVED,
        trace_id="trace-1",
    )


def test_everything_that_is_told_is_read() -> None:
    post = parse(
        {
            "data": {
                "id": "5",
                "text": "look https://t.co/a",
                "author_id": "7",
                "created_at": "2026-11-20T08:15:04.000Z",
                "lang": "en",
                "entities": {"urls": [{"url": "https://t.co/a", "expanded_url": "https://example.com/a"}]},
            },
            "includes": {
                "users": [
                    {"id": "8", "username": "other"},
                    {"id": "7", "username": "ana", "name": "Ana", "public_metrics": {"followers_count": 12}},
                ]
            },
            "matching_rules": [{"id": "1", "tag": "quakes"}],
        }
    )
    assert post.author == Author(id="7", username="ana", name="Ana", followers=12)
    assert post.url == "https://x.com/ana/status/5"
    assert post.created_at == datetime(2026, 11, 20, 8, 15, 4, tzinfo=UTC)
    assert post.lang == "en"
    assert post.links == ["https://example.com/a"]
    assert post.rules == [MatchedRule(id="1", tag="quakes")]


def test_of_a_long_post_the_whole_text_and_its_links_are_read() -> None:
    note = {"text": "the whole", "entities": {"urls": [{"expanded_url": "https://example.com/whole"}]}}
    post = parse_tweet(note_tweet=note, entities={"urls": [{"expanded_url": "https://example.com/cut"}]})
    assert (post.text, post.links) == ("the whole", ["https://example.com/whole"])


def test_a_long_post_without_links_of_its_own_keeps_those_of_the_short_form() -> None:
    entities = {"urls": [{"expanded_url": "https://example.com/a"}]}
    assert parse_tweet(note_tweet={"text": "the whole"}, entities=entities).links == ["https://example.com/a"]


def test_an_empty_long_text_does_not_hide_the_short_one() -> None:
    assert parse_tweet(note_tweet={"text": ""}).text == "hello"


def test_links_are_told_once_and_bounded() -> None:
    urls = [{"expanded_url": f"https://example.com/{number // 2}"} for number in range(4 * LINKS_LIMIT)]
    links = parse_tweet(entities={"urls": [*urls, {"url": "https://t.co/no-expansion"}]}).links
    assert links == [f"https://example.com/{number}" for number in range(LINKS_LIMIT)]


def test_html_entities_are_resolved_once() -> None:
    assert parse_tweet(text="a &amp; b &lt;c&gt; &amp;lt; &#39;").text == "a & b <c> &lt; '"


def test_a_character_reference_that_is_no_number_python_reads_stays_as_it_is() -> None:
    text = "&#" + "9" * 5000 + ";"
    assert parse_tweet(text=text).text == text


def test_a_repost_has_the_whole_text_and_links_of_the_original() -> None:
    post = parse(
        {
            "data": {
                "id": "5",
                "text": "RT @ana: the begin…",
                "author_id": "7",
                "referenced_tweets": [{"type": "retweeted", "id": "4"}],
            },
            "includes": {
                "users": [{"id": "7", "username": "reposter"}, {"id": "8", "username": "ana"}],
                "tweets": [
                    {"id": "3", "text": "another"},
                    {
                        "id": "4",
                        "text": "the beginning and the end",
                        "author_id": "8",
                        "entities": {"urls": [{"expanded_url": "https://example.com/original"}]},
                    },
                ],
            },
        }
    )
    assert (post.id, post.repost_of) == ("x:5", "x:4")
    assert post.text == "the beginning and the end"
    assert post.links == ["https://example.com/original"]
    assert post.author.username == "reposter"


def test_a_repost_of_a_long_post_has_all_of_it() -> None:
    original = {"id": "4", "text": "the begin…", "note_tweet": {"text": "the beginning, the middle and the end"}}
    repost = {"id": "5", "text": "RT @ana: the be…", "referenced_tweets": [{"type": "retweeted", "id": "4"}]}
    assert parse({"data": repost, "includes": {"tweets": [original]}}).text == "the beginning, the middle and the end"


def test_a_repost_whose_original_is_missing_keeps_what_it_has() -> None:
    post = parse_tweet(text="RT @ana: the begin…", referenced_tweets=[{"type": "retweeted", "id": "4"}])
    assert (post.text, post.repost_of) == ("RT @ana: the begin…", "x:4")


def test_a_quote_brings_the_quoted_text() -> None:
    quote = {"id": "5", "text": "oh no", "referenced_tweets": [{"type": "quoted", "id": "4"}]}
    post = parse({"data": quote, "includes": {"tweets": [{"id": "4", "text": "tide &amp; storm"}]}})
    assert (post.text, post.quoted_text, post.repost_of) == ("oh no", "tide & storm", "")


def test_a_repost_of_a_quote_brings_both_texts() -> None:
    original = {"id": "4", "text": "oh no", "referenced_tweets": [{"type": "quoted", "id": "3"}]}
    repost = {"id": "5", "text": "RT: oh", "referenced_tweets": [{"type": "retweeted", "id": "4"}]}
    post = parse({"data": repost, "includes": {"tweets": [original, {"id": "3", "text": "the dam broke"}]}})
    assert (post.text, post.quoted_text) == ("oh no", "the dam broke")


@pytest.mark.parametrize("spelling", ["edit_history_tweet_ids", "edit_history_post_ids"])
def test_an_edited_post_names_its_first_version_in_either_spelling(spelling: str) -> None:
    assert parse_tweet(**{spelling: ["3", "4", "5"]}).edit_of == "x:3"
    assert parse_tweet(**{spelling: ["5"]}).edit_of == ""


def test_every_matching_rule_is_listed() -> None:
    rules = [{"id": "1", "tag": "quakes"}, {"id": 2, "tag": None}, {"tag": "floods"}]
    post = parse({"data": {"id": "5", "text": "a"}, "matching_rules": rules})
    assert post.rules == [
        MatchedRule(id="1", tag="quakes"),
        MatchedRule(id="2", tag=""),
        MatchedRule(id="", tag="floods"),
    ]


def test_errors_beside_a_post_do_not_spoil_it() -> None:
    assert parse({"data": {"id": "5", "text": "a"}, "errors": [{"title": "Not Found Error"}]}).id == "x:5"


def test_an_error_message_is_no_post_and_is_told_in_its_own_words() -> None:
    error = {"title": "operational-disconnect", "detail": "This stream has been disconnected\x1b[31m" + "x" * 1000}
    reason = reason_for({"errors": [error]})
    assert "operational-disconnect: This stream has been disconnected\ufffd[31m" in reason
    assert len(reason) < 400


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"system": {"message": "hello"}}', "an unknown kind of message"),
        (b"{}", "an unknown kind of message"),
        (b'{"data": {"id": "5", "text": ""}}', "a post without text"),
        (b'{"data": {"id": "5", "te', "not JSON"),
        (b"<html>maintenance</html>", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b'{"data": {"id": "5"}}', "JSON without a post's id and text"),
        (b'{"data": {"id": 5, "text": "a"}}', "JSON without a post's id and text"),
        (b"[]", "JSON without a post's id and text"),
        (b"null", "JSON without a post's id and text"),
        (b"[" * 100_000, "JSON without a post's id and text"),
        # wrong JSON behind a wrong type
        (b'{"data": {"id": "5", "text": "a", "lang": 5},', "not JSON"),
        # what Python's own reader takes for JSON
        (b'{"data": {"id": "5", "text": "a"}, "new": NaN}', "not JSON"),
        (
            b'{"data": {"id": "5", "text": "a"}, "new": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            "JSON that is nested too deeply",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else value[:50].decode(errors="replace"),
)
def test_a_line_without_a_post_says_what_it_holds(line: bytes, reason: str) -> None:
    assert reason_for(line).startswith(reason)


def test_lone_surrogates_are_replaced_and_the_rest_is_kept() -> None:
    line = rb'{"data": {"id": "5", "text": "a \ud83d b \ud83d\ude00", "lang": "en"}}'
    post = parse(line)
    assert post.text[:2] == "a "
    assert post.text[3:] == " b 😀"
    assert post.lang == "en"
    assert decode_post(encode(post)) == post


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert parse(b'{"data": {"id": "5", "text": "a \xff b"}}').text == "a \ufffd b"


def test_characters_that_sqs_refuses_are_replaced_wherever_people_write_them() -> None:
    post = parse(
        {
            "data": {"id": "5", "text": "a\x00\x1b\ufffe\tb", "author_id": "7"},
            "includes": {"users": [{"id": "7", "username": "u\x07", "name": "n\x1b"}]},
            "matching_rules": [{"id": "1", "tag": "t\uffff"}],
        }
    )
    assert post.text == "a\ufffd\ufffd\ufffd\tb"
    assert (post.author.username, post.author.name, post.rules[0].tag) == ("u\ufffd", "n\ufffd", "t\ufffd")


@pytest.mark.parametrize(
    "wrong",
    [
        {"lang": 5},
        {"created_at": "yesterday"},
        {"entities": []},
        {"referenced_tweets": "none"},
        {"note_tweet": {"body": "renamed"}},
        {"edit_history_tweet_ids": 7},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_an_optional_field_of_a_wrong_type_costs_no_post(wrong: dict[str, Any]) -> None:
    post = parse_tweet(**wrong)
    assert (post.id, post.text) == ("x:5", "hello")


def test_a_field_of_a_wrong_type_costs_no_other_field() -> None:
    payload = {
        "data": {"id": "5", "text": "hello", "author_id": "7", "lang": 5, "edit_history_tweet_ids": ["4", "5"]},
        "includes": {"users": [{"id": "7", "username": "ana"}], "tweets": "changed"},
        "matching_rules": [{"id": "1", "tag": "quakes"}],
        "errors": "changed",
    }
    post, flaw = parse_line(json.dumps(payload).encode(), RECEIVED, "trace-1")
    assert (post.author.username, post.lang, post.edit_of) == ("ana", "", "x:4")
    assert post.rules == [MatchedRule(id="1", tag="quakes")]
    assert flaw == "unreadable fields"


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        (b'{"data": {"id": "5", "text": "a"}}', ""),
        (b'{"data": {"id": "5", "text": "a"}, "errors": []}', ""),
        (b'{"data": {"id": "5", "text": "a"}, "errors": [{"title": "Not Found Error"}]}', "errors beside it"),
        (b'{"data": {"id": "5", "text": "a", "lang": 1}}', "unreadable fields"),
        (rb'{"data": {"id": "5", "text": "a \ud83d"}}', "broken characters"),
        (rb'{"data": {"id": "5", "text": "a \ud83d", "lang": 1}}', "unreadable fields"),
    ],
)
def test_what_may_miss_in_a_post_is_told(line: bytes, flaw: str) -> None:
    assert parse_line(line, RECEIVED, "trace-1").flaw == flaw


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"errors": [{"title": "ConnectionException"}]}', "error message"),
        (b'{"delete": {}}', "unknown message"),
        (b"<html>", "not JSON"),
        (b'{"data": {"id": "5"}}', "no id or text"),
        (b'{"data": {"id": "5", "text": ""}}', "no id or text"),
        (b'{"data": {"id": "5", "text": "a"}, "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_line_without_a_post_is_of_one_of_few_kinds(line: bytes, kind: str) -> None:
    with pytest.raises(NoPost) as caught:
        parse(line)
    assert (caught.value.kind, caught.value.disconnect) == (kind, "")


def test_an_announced_disconnect_is_told_by_its_type() -> None:
    other = {"title": "Another", "detail": "of no matter"}
    announced = {"title": "operational-disconnect", "disconnect_type": "ForceDisconnect", "detail": "new\nclient"}
    with pytest.raises(NoPost) as caught:
        parse({"errors": [other, announced]})
    assert caught.value.disconnect == "ForceDisconnect: new client"


@pytest.mark.parametrize("beside", ["includes", "matching_rules", "errors"])
def test_a_wrong_type_beside_the_post_costs_no_post(beside: str) -> None:
    assert parse({"data": {"id": "5", "text": "hello"}, beside: "changed"}).text == "hello"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_outside_the_calendar_counts_as_not_told(moment: str) -> None:
    assert parse_tweet(created_at=moment).created_at == RECEIVED


@pytest.mark.parametrize(
    "told", ["2026-11-20T08:15:04", "2026-11-20T08:15:04Z", "2026-11-20T10:15:04+02:00"], ids=["none", "Z", "+02:00"]
)
def test_moments_are_utc_whatever_their_zone(told: str) -> None:
    moment = parse_tweet(created_at=told).created_at
    assert moment == datetime(2026, 11, 20, 8, 15, 4, tzinfo=UTC)
    assert moment.utcoffset() == RECEIVED.utcoffset()


def test_a_megabyte_of_text_is_cut_and_still_fits_a_queue() -> None:
    # four bytes a character, and a quote as long
    text = "😀" * 300_000
    quote = {"id": "5", "text": text, "referenced_tweets": [{"type": "quoted", "id": "4"}]}
    post = parse({"data": quote, "includes": {"tweets": [{"id": "4", "text": text}]}})
    assert len(post.text) == len(post.quoted_text) == TEXT_LIMIT
    assert post.text.endswith("…")
    assert message_size(encode(post), {}) < BATCH_BYTES


def test_an_id_that_is_far_longer_than_any_of_x_is_none() -> None:
    assert parse_tweet(id="7" * 64).id == "x:" + "7" * 64
    with pytest.raises(NoPost) as refused:
        parse_tweet(id="7" * 65)
    assert (refused.value.kind, str(refused.value)) == ("no id or text", "an id of 65 characters")
