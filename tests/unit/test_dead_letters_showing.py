"""`dead-letters show`: a message whole."""

import json

import pytest

from pipeline.errors import UserMistake
from tests.support.dead_letter_desk import POSTS_DEAD, URLS, Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def put(desk: Desk, body: str, **attributes: object) -> str:
    """One dead letter; its id."""
    id_ = desk.sqs.client.send_message(QueueUrl=URLS + POSTS_DEAD, MessageBody=body, MessageAttributes=attributes)  # type: ignore[arg-type]
    desk.clock.advance(150)
    return id_["MessageId"]


def string(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def test_a_message_whole(desk: Desk) -> None:
    id_ = put(
        desk,
        '{"text":"Grüße","n":1e2,"n":2}',
        reason=string("not a post: no id"),
        service=string("classifier"),
        source_message_id=string("source-7"),
        redriven=string("1"),
        trace_id=string("trace-1"),
        colour=string("red"),
        blob={"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    )
    assert desk.run("show", "posts", id_) == 0
    sent = desk.out.splitlines()[5]
    assert sent.startswith("sent            20")
    assert sent.endswith(" UTC, 2 min 30 s ago")
    assert [line for line in desk.out.splitlines() if line != sent] == [
        f"message         {id_}",
        "dead letters    tweet-alerts-local-posts-dlq",
        "reason          not a post: no id",
        "service         classifier",
        "source message  source-7",
        "received        1 time, looks like this one included",
        "redriven        1 time",
        "trace id        trace-1",
        "attribute       colour = red",
        "attribute       blob = base64:AP8=",
        "body            32 bytes",
        "    {",
        '      "text": "Grüße",',
        '      "n": 1e2,',
        '      "n": 2',
        "    }",
    ]


def test_it_is_found_by_the_id_that_the_logs_tell(desk: Desk) -> None:
    desk.put(20)
    put(desk, "this one", source_message_id=string("source-7"))
    assert desk.run("show", "posts", "source-7") == 0
    assert "    this one\n" in desk.out
    assert len(desk.dead_letters()) == 21


def test_a_hostile_body_does_nothing_to_the_terminal_and_passes_for_nothing_else(desk: Desk) -> None:
    put(desk, "\x9b2Jgone\u202eexe\nreason          all is well\r\u200b", reason=string("\u2028odd"))
    assert desk.run("show", "posts", "--first", "1") == 0
    lines = desk.out.split("\n")
    assert "reason          \\u2028odd" in lines
    assert lines[-4:] == [
        "body            46 bytes",
        "    \\u009b2Jgone\\u202eexe",
        "    reason          all is well\\u000d\\u200b",
        "",
    ]


def test_json_that_a_terminal_would_act_upon_is_shown_as_json_for_the_same(desk: Desk) -> None:
    put(desk, '{"text":"\u202ea\x7f"}')
    assert desk.run("show", "posts", "--first", "1") == 0
    shown = desk.out[desk.out.index("    {") :]
    assert "\\u202ea\\u007f" in shown
    assert json.loads(shown) == {"text": "\u202ea\x7f"}


@pytest.mark.parametrize("body", ["[" * 5000, '{"a": 1', "{} {}", '"\\ud800"'])
def test_what_is_no_json_is_shown_as_it_is(desk: Desk, body: str) -> None:
    put(desk, body)
    assert desk.run("show", "posts", "--first", "1") == 0
    assert desk.out.endswith(f"\n    {body}\n")


def test_for_programs(desk: Desk) -> None:
    id_ = put(desk, "Grüße\x7f", reason=string("odd"), service=string("classifier"))
    assert desk.run("show", "posts", id_, "--json") == 0
    assert desk.out.isascii()
    assert "\x7f" not in desk.out
    told = json.loads(desk.out)
    (message,) = told["messages"]
    assert told["name"] == POSTS_DEAD
    assert message.pop("sent_at").endswith("+00:00")
    assert message == {
        "id": id_,
        "reason": "odd",
        "service": "classifier",
        "source_message_id": "",
        "age_seconds": 150.0,
        "receive_count": 1,
        "redriven": 0,
        "trace_id": "",
        "attributes": {"reason": "odd", "service": "classifier"},
        "body": "Grüße\x7f",
    }


@pytest.mark.parametrize(("asked", "shown"), [(3, 3), (10, 7)])
def test_the_first_of_them(desk: Desk, asked: int, shown: int) -> None:
    desk.put(7)
    assert desk.run("show", "posts", "--first", str(asked)) == 0
    assert desk.out.count("message         ") == shown
    assert desk.out.count("\n\nmessage") == shown - 1
    assert len(desk.dead_letters()) == 7


def test_none_of_an_empty_queue(desk: Desk) -> None:
    assert desk.run("show", "posts", "--first", "1") == 0
    assert desk.out == ""


def test_an_id_that_is_not_there_is_a_mistake(desk: Desk) -> None:
    desk.put(12)
    with pytest.raises(UserMistake) as mistake:
        desk.run("show", "posts", "nobody\x1b[31m")
    assert str(mistake.value) == (
        "queue tweet-alerts-local-posts-dlq: expected a message with the id or source id 'nobody',"
        " got none among the 12 looked at"
    )
    assert len(desk.dead_letters()) == 12


def test_ctrl_c_gives_everything_back(desk: Desk) -> None:
    desk.put(30)
    desk.after = lambda method: desk.interruption.signalled(2) if method == "receive_message" else None
    assert desk.run("show", "posts", "nobody") == 130
    assert len(desk.dead_letters()) == 30
