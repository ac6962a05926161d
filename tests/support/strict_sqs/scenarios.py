"""What any server of SQS answers about messages, as a table: the stand-in is held against an emulator by it.

Each scenario makes calls and returns what it saw. ``expected`` is what Amazon's documents (SQS API Reference, SQS
Developer Guide) say that it sees, expired receipts being refused. An emulator that sees something else is named with
what it sees and why, so that the list of differences is wrong as soon as one of them is gone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.strict_sqs.stage import Stage, entries, outcome, receives, string

MIB = 1_048_576
PREFIX = "AWS.SimpleQueueService."
INVALID = "InvalidParameterValue"
BAD_RECEIPT = "ReceiptHandleIsInvalid"
Seen = Any


@dataclass(frozen=True)
class Difference:
    """What the emulator sees instead, and why."""

    seen: Seen
    reason: str


@dataclass(frozen=True)
class Scenario:
    """One row of the table."""

    play: Callable[[Stage], Seen]
    expected: Seen
    emulator: Difference | None = None


def a_message_goes_through(stage: Stage) -> Seen:
    attributes = {
        "trace_id": string("t-1"),
        "size": {"DataType": "Number", "StringValue": "12"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = stage.send("Überschwemmung \U0001f30a", MessageAttributes=attributes)
    (message,) = stage.receive()
    in_flight = stage.counts()
    stage.delete(message)
    return {
        "body": message["Body"],
        "attributes": message["MessageAttributes"] == attributes,
        "ids": message["MessageId"] == sent["MessageId"],
        "sums": [sent["MD5OfMessageBody"], sent["MD5OfMessageAttributes"]],
        "same sums": [message["MD5OfBody"], message["MD5OfMessageAttributes"]]
        == [sent["MD5OfMessageBody"], sent["MD5OfMessageAttributes"]],
        "count": receives(message),
        "counts": [in_flight, stage.counts()],
    }


def an_empty_queue_gives_no_list(stage: Stage) -> Seen:
    return sorted(stage.client.receive_message(QueueUrl=stage.url).keys() - {"ResponseMetadata"})


def a_timeout_runs_out(stage: Stage) -> Seen:
    stage.send()
    (first,) = stage.receive(VisibilityTimeout=2)
    hidden = stage.receive()
    (second,) = stage.receive(WaitTimeSeconds=10)
    return [hidden, first["MessageId"] == second["MessageId"], receives(first), receives(second)]


def a_timeout_is_prolonged(stage: Stage) -> Seen:
    stage.send()
    (message,) = stage.receive(VisibilityTimeout=1)
    stage.hide(message, 600)
    return [stage.receive(WaitTimeSeconds=2), stage.counts()]


def a_message_is_given_back(stage: Stage) -> Seen:
    stage.send()
    (message,) = stage.receive()
    stage.hide(message, 0)
    return [stage.counts(), [receives(each) for each in stage.receive()]]


def a_message_is_delayed(stage: Stage) -> Seen:
    stage.send(DelaySeconds=2)
    early = stage.receive()
    return [early, stage.counts(), [each["Body"] for each in stage.receive(WaitTimeSeconds=10)]]


def a_queue_delays_what_says_nothing_else(stage: Stage) -> Seen:
    url = stage.make_queue(DelaySeconds="900")
    stage.send("late", url)
    stage.send("now", url, DelaySeconds=0)
    return [[each["Body"] for each in stage.receive(url)], stage.counts(url)]


def attributes_are_chosen_by_name(stage: Stage) -> Seen:
    stage.send(MessageAttributes={"a.x": string("1"), "a.y": string("2"), "b": string("3")})
    seen = []
    for names in (["a.*"], ["b", "none"]):
        (message,) = stage.client.receive_message(
            QueueUrl=stage.url, MessageAttributeNames=names, AttributeNames=["SentTimestamp"], VisibilityTimeout=0
        )["Messages"]
        seen.append([sorted(message["MessageAttributes"]), sorted(message["Attributes"])])
    return seen


def a_batch_fails_entry_by_entry(stage: Stage) -> Seen:
    url = stage.make_queue(MaximumMessageSize="1024")
    bodies = {"good": "a", "character": "a\x00", "empty": "", "large": "a" * 1025}
    sent = [{"Id": id_, "MessageBody": body} for id_, body in bodies.items()]
    return [entries(stage.client.send_message_batch(QueueUrl=url, Entries=sent)), stage.counts(url)]


def receipts_fail_entry_by_entry(stage: Stage) -> Seen:
    stage.send()
    (message,) = stage.receive()
    handles = {"good": message["ReceiptHandle"], "bad": "nonsense"}
    hide = [{"Id": id_, "ReceiptHandle": handle, "VisibilityTimeout": 60} for id_, handle in handles.items()]
    delete = [{"Id": id_, "ReceiptHandle": handle} for id_, handle in handles.items()]
    return [
        entries(stage.client.change_message_visibility_batch(QueueUrl=stage.url, Entries=hide)),
        entries(stage.client.delete_message_batch(QueueUrl=stage.url, Entries=delete)),
        stage.counts(),
    ]


def malformed_batches_are_refused(stage: Stage) -> Seen:
    seen = []
    for ids in ([], [str(n) for n in range(11)], ["a", "a"], ["a b"], ["x" * 81]):
        sent = [{"Id": id_, "MessageBody": "a"} for id_ in ids]
        receipts = [{"Id": id_, "ReceiptHandle": "nonsense"} for id_ in ids]
        hidden = [{**entry, "VisibilityTimeout": 0} for entry in receipts]
        codes = {
            outcome(stage.client.send_message_batch, QueueUrl=stage.url, Entries=sent),
            outcome(stage.client.delete_message_batch, QueueUrl=stage.url, Entries=receipts),
            outcome(stage.client.change_message_visibility_batch, QueueUrl=stage.url, Entries=hidden),
        }
        seen.append(sorted(codes))
    return [seen, stage.counts()]


def sizes_are_bounded(stage: Stage) -> Seen:
    half = {"MessageBody": "a" * (MIB // 2)}
    return [
        outcome(stage.send, "a" * MIB),
        outcome(stage.send, "a" * (MIB + 1)),
        outcome(stage.client.send_message_batch, QueueUrl=stage.url, Entries=[{"Id": i, **half} for i in "ab"]),
        outcome(stage.client.send_message_batch, QueueUrl=stage.url, Entries=[{"Id": i, **half} for i in "abc"]),
        stage.counts(),
    ]


def attributes_count_towards_the_size(stage: Stage) -> Seen:
    return outcome(stage.send, "a" * MIB, MessageAttributes={"a": string("x")})


def bodies_are_checked(stage: Stage) -> Seen:
    return [outcome(stage.send, body) for body in ("", "\x00", "\x0b", "\x1f", "\ufffe", "\uffff", "\t\n\r\ufffd")]


def numbers_out_of_range_are_refused(stage: Stage) -> Seen:
    return [
        outcome(stage.receive, MaxNumberOfMessages=0),
        outcome(stage.receive, MaxNumberOfMessages=11),
    ]


def times_out_of_range_are_refused(stage: Stage) -> Seen:
    for body in "ab":
        stage.send(body)
    (message,) = stage.receive(MaxNumberOfMessages=1, VisibilityTimeout=600)
    return [
        outcome(stage.send, DelaySeconds=901),
        outcome(stage.hide, message, 43_201),
        outcome(stage.receive, WaitTimeSeconds=21, VisibilityTimeout=0),
        outcome(stage.receive, VisibilityTimeout=43_201),
    ]


def attributes_against_the_rules_are_refused(stage: Stage) -> Seen:
    return [
        outcome(stage.send, MessageAttributes=attributes)
        for attributes in (
            {str(number): string("x") for number in range(11)},
            {"AWS.a": string("x")},
            {"a..b": string("x")},
            {"a b": string("x")},
            {"a": string("")},
            {"a": {"DataType": "Text", "StringValue": "x"}},
            {"a": {"DataType": "Number", "StringValue": "x"}},
        )
    ]


def receipts_that_never_were_are_refused(stage: Stage) -> Seen:
    never = {"ReceiptHandle": "nonsense"}
    return [outcome(stage.delete, never), outcome(stage.hide, never, 60)]


def a_message_is_deleted_twice(stage: Stage) -> Seen:
    stage.send()
    (message,) = stage.receive()
    return [outcome(stage.delete, message), outcome(stage.delete, message), outcome(stage.hide, message, 60)]


def a_receipt_has_expired(stage: Stage) -> Seen:
    stage.send()
    (message,) = stage.receive(VisibilityTimeout=0)
    return [outcome(stage.hide, message, 0), outcome(stage.delete, message), stage.counts()]


def a_message_was_received_again(stage: Stage) -> Seen:
    stage.send()
    (old,) = stage.receive(VisibilityTimeout=0)
    (new,) = stage.receive()
    seen = [outcome(stage.delete, old), outcome(stage.hide, old, 60)]
    return [*seen, stage.counts(), outcome(stage.delete, new), stage.counts()]


def the_receive_after_the_last_moves_to_the_dead_letters(stage: Stage) -> Seen:
    sent = stage.send(MessageAttributes={"trace_id": string("t-1")})
    counts = [receives(stage.receive(VisibilityTimeout=0)[0]) for _ in range(2)]
    before = stage.counts(stage.dead_letters)
    nothing = stage.receive()
    (letter,) = stage.receive(stage.dead_letters)
    return {
        "receives": counts,
        "before": before,
        "nothing": nothing,
        "same message": letter["MessageId"] == sent["MessageId"],
        "attributes": letter["MessageAttributes"],
        "receives of the letter": receives(letter),
        "source": letter["Attributes"]["DeadLetterQueueSourceArn"] == stage.attribute(stage.url, "QueueArn"),
        "after": stage.counts(),
    }


MESSAGE_SCENARIOS = (
    Scenario(
        a_message_goes_through,
        {
            "body": "Überschwemmung \U0001f30a",
            "attributes": True,
            "ids": True,
            "sums": ["5ed7be4c467440f3a263e352afc16c3f", "02822889a8c7b9beea10b021da0acbec"],
            "same sums": True,
            "count": 1,
            "counts": [[0, 1, 0], [0, 0, 0]],
        },
    ),
    Scenario(an_empty_queue_gives_no_list, []),
    Scenario(a_timeout_runs_out, [[], True, 1, 2]),
    Scenario(a_timeout_is_prolonged, [[], [0, 1, 0]]),
    Scenario(a_message_is_given_back, [[1, 0, 0], [2]]),
    Scenario(a_message_is_delayed, [[], [0, 0, 1], ["a"]]),
    Scenario(a_queue_delays_what_says_nothing_else, [["now"], [0, 1, 1]]),
    Scenario(
        attributes_are_chosen_by_name,
        [[["a.x", "a.y"], ["SentTimestamp"]], [["b"], ["SentTimestamp"]]],
    ),
    Scenario(
        a_batch_fails_entry_by_entry,
        [
            (
                ["good"],
                [
                    ("character", "InvalidMessageContents", True),
                    ("empty", "MissingParameter", True),
                    ("large", INVALID, True),
                ],
            ),
            [1, 0, 0],
        ],
    ),
    Scenario(
        receipts_fail_entry_by_entry,
        [(["good"], [("bad", BAD_RECEIPT, True)]), (["good"], [("bad", BAD_RECEIPT, True)]), [0, 0, 0]],
    ),
    Scenario(
        malformed_batches_are_refused,
        [
            [
                [PREFIX + "EmptyBatchRequest"],
                [PREFIX + "TooManyEntriesInBatchRequest"],
                [PREFIX + "BatchEntryIdsNotDistinct"],
                [PREFIX + "InvalidBatchEntryId"],
                [PREFIX + "InvalidBatchEntryId"],
            ],
            [0, 0, 0],
        ],
    ),
    Scenario(sizes_are_bounded, ["ok", INVALID, "ok", PREFIX + "BatchRequestTooLong", [3, 0, 0]]),
    Scenario(attributes_count_towards_the_size, INVALID, Difference("ok", "it counts bodies alone")),
    Scenario(bodies_are_checked, ["MissingParameter", *["InvalidMessageContents"] * 5, "ok"]),
    Scenario(numbers_out_of_range_are_refused, [INVALID] * 2),
    Scenario(
        times_out_of_range_are_refused, [INVALID] * 4, Difference(["ok"] * 4, "it takes any delay, timeout and wait")
    ),
    Scenario(
        attributes_against_the_rules_are_refused,
        [INVALID] * 7,
        Difference(["ok"] * 7, "it has no rules for attributes"),
    ),
    Scenario(receipts_that_never_were_are_refused, [BAD_RECEIPT] * 2),
    Scenario(
        a_message_is_deleted_twice,
        ["ok", "ok", INVALID],
        Difference(["ok", BAD_RECEIPT, BAD_RECEIPT], "it forgets the receipts of what is gone"),
    ),
    Scenario(
        a_receipt_has_expired,
        [PREFIX + "MessageNotInflight", INVALID, [1, 0, 0]],
        Difference(["ok", "ok", [0, 0, 0]], "the latest receipt never expires there"),
    ),
    Scenario(
        a_message_was_received_again,
        [INVALID, INVALID, [0, 1, 0], "ok", [0, 0, 0]],
        Difference([BAD_RECEIPT, BAD_RECEIPT, [0, 1, 0], "ok", [0, 0, 0]], "it knows the latest receipt alone"),
    ),
    Scenario(
        the_receive_after_the_last_moves_to_the_dead_letters,
        {
            "receives": [1, 2],
            "before": [0, 0, 0],
            "nothing": [],
            "same message": True,
            "attributes": {"trace_id": string("t-1")},
            "receives of the letter": 3,
            "source": True,
            "after": [0, 0, 0],
        },
    ),
)
