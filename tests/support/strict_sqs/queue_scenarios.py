"""What any server of SQS answers about queues: the second half of the table; see ``scenarios``."""

from tests.support.strict_sqs.scenarios import INVALID, PREFIX, Difference, Scenario, Seen
from tests.support.strict_sqs.stage import Stage, outcome

_NO_QUEUE = PREFIX + "NonExistentQueue"
_BAD_VALUE = "InvalidAttributeValue"
_NO_ACTION = "InvalidAction"


def a_queue_is_not_there(stage: Stage) -> Seen:
    url = stage.url + "-none"
    client = stage.client
    one = [{"Id": "a", "MessageBody": "a"}]
    receipt = [{"Id": "a", "ReceiptHandle": "nonsense"}]
    return {
        outcome(client.send_message, QueueUrl=url, MessageBody="a"),
        outcome(client.send_message_batch, QueueUrl=url, Entries=one),
        outcome(client.receive_message, QueueUrl=url),
        outcome(client.delete_message, QueueUrl=url, ReceiptHandle="nonsense"),
        outcome(client.delete_message_batch, QueueUrl=url, Entries=receipt),
        outcome(client.change_message_visibility, QueueUrl=url, ReceiptHandle="nonsense", VisibilityTimeout=0),
        outcome(client.get_queue_attributes, QueueUrl=url, AttributeNames=["All"]),
        outcome(client.set_queue_attributes, QueueUrl=url, Attributes={"DelaySeconds": "0"}),
        outcome(client.purge_queue, QueueUrl=url),
        outcome(client.delete_queue, QueueUrl=url),
        outcome(client.get_queue_url, QueueName="none"),
    }


def a_queue_is_made_twice(stage: Stage) -> Seen:
    name = stage.new_name()
    make = stage.client.create_queue
    return [
        outcome(make, QueueName=name, Attributes={"DelaySeconds": "5"}),
        outcome(make, QueueName=name, Attributes={"DelaySeconds": "5"}),
        outcome(make, QueueName=name),
        outcome(make, QueueName=name, Attributes={"DelaySeconds": "6"}),
    ]


def a_queue_is_found_by_name_and_prefix(stage: Stage) -> Seen:
    name = stage.url.rsplit("/", 1)[1]
    return [
        stage.client.get_queue_url(QueueName=name)["QueueUrl"] == stage.url,
        stage.client.list_queues(QueueNamePrefix=stage.name)["QueueUrls"] == [stage.dead_letters, stage.url],
        stage.client.list_queues(QueueNamePrefix=stage.name + "-none").get("QueueUrls", []),
    ]


def queues_are_listed_in_pages(stage: Stage) -> Seen:
    stage.make_queue()
    first = stage.client.list_queues(QueueNamePrefix=stage.name, MaxResults=2)
    second = stage.client.list_queues(QueueNamePrefix=stage.name, MaxResults=2, NextToken=first["NextToken"])
    return [len(first["QueueUrls"]), len(second["QueueUrls"]), "NextToken" in second]


def names_are_checked(stage: Stage) -> Seen:
    return [outcome(stage.client.create_queue, QueueName=name) for name in ("a b", "a.b", "x" * 81)]


def attributes_are_told(stage: Stage) -> Seen:
    url = stage.make_queue(VisibilityTimeout="45")
    attributes = stage.client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = ("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds")
    return [*(attributes[name] for name in names), attributes["VisibilityTimeout"], attributes["QueueArn"][:22]]


def attributes_are_set(stage: Stage) -> Seen:
    stage.client.set_queue_attributes(QueueUrl=stage.url, Attributes={"VisibilityTimeout": "7", "RedrivePolicy": ""})
    attributes = stage.client.get_queue_attributes(QueueUrl=stage.url, AttributeNames=["All"])["Attributes"]
    return [attributes["VisibilityTimeout"], "RedrivePolicy" in attributes]


def attributes_are_not_asked_for(stage: Stage) -> Seen:
    return "Attributes" in stage.client.get_queue_attributes(QueueUrl=stage.url)


def attributes_out_of_range_are_refused(stage: Stage) -> Seen:
    ranges = {
        "DelaySeconds": ("-1", "901", "soon"),
        "MaximumMessageSize": ("1023", "1048577"),
        "MessageRetentionPeriod": ("59", "1209601"),
        "ReceiveMessageWaitTimeSeconds": ("21",),
        "VisibilityTimeout": ("43201",),
    }
    return {
        outcome(stage.client.set_queue_attributes, QueueUrl=stage.url, Attributes={name: value})
        for name, values in ranges.items()
        for value in values
    }


def unknown_attributes_are_refused(stage: Stage) -> Seen:
    return [
        outcome(stage.client.set_queue_attributes, QueueUrl=stage.url, Attributes={"Nonsense": "1"}),
        outcome(stage.client.get_queue_attributes, QueueUrl=stage.url, AttributeNames=["Nonsense"]),
    ]


def redrive_policies_that_lead_nowhere_are_refused(stage: Stage) -> Seen:
    none = stage.dead_letters_arn + "-none"
    policies = ("nonsense", "{}", stage.redrive_policy(0), stage.redrive_policy(1001), stage.redrive_policy(5, none))
    return {
        outcome(stage.client.set_queue_attributes, QueueUrl=stage.url, Attributes={"RedrivePolicy": policy})
        for policy in policies
    }


def a_queue_is_purged(stage: Stage) -> Seen:
    for body in "ab":
        stage.send(body)
    stage.receive(MaxNumberOfMessages=1)
    stage.send("c", DelaySeconds=9)
    stage.client.purge_queue(QueueUrl=stage.url)
    return stage.counts()


def a_queue_is_purged_twice(stage: Stage) -> Seen:
    return [outcome(stage.client.purge_queue, QueueUrl=stage.url) for _ in range(2)]


def a_queue_is_deleted(stage: Stage) -> Seen:
    stage.client.delete_queue(QueueUrl=stage.url)
    return [
        outcome(stage.send),
        stage.client.list_queues(QueueNamePrefix=stage.name)["QueueUrls"] == [stage.dead_letters],
    ]


def a_deleted_queue_is_made_anew_at_once(stage: Stage) -> Seen:
    stage.client.delete_queue(QueueUrl=stage.url)
    return outcome(stage.client.create_queue, QueueName=stage.url.rsplit("/", 1)[1])


def dead_letters_are_led_back(stage: Stage) -> Seen:
    client = stage.client
    return [
        outcome(client.list_dead_letter_source_queues, QueueUrl=stage.dead_letters),
        outcome(client.start_message_move_task, SourceArn=stage.dead_letters_arn),
        outcome(client.list_message_move_tasks, SourceArn=stage.dead_letters_arn),
        outcome(client.cancel_message_move_task, TaskHandle="nonsense"),
    ]


QUEUE_SCENARIOS = (
    Scenario(a_queue_is_not_there, {_NO_QUEUE}),
    Scenario(a_queue_is_made_twice, ["ok", "ok", "ok", "QueueAlreadyExists"]),
    Scenario(a_queue_is_found_by_name_and_prefix, [True, True, []]),
    Scenario(queues_are_listed_in_pages, [2, 1, False]),
    Scenario(names_are_checked, [INVALID] * 3, Difference(["ok"] * 3, "it takes any name")),
    Scenario(attributes_are_told, ["0", "1048576", "345600", "0", "45", "arn:aws:sqs:us-east-1:"]),
    Scenario(attributes_are_set, ["7", False]),
    Scenario(attributes_are_not_asked_for, False, Difference(True, "it tells all of them")),
    Scenario(attributes_out_of_range_are_refused, {_BAD_VALUE}),
    Scenario(
        unknown_attributes_are_refused,
        ["InvalidAttributeName"] * 2,
        Difference(["ok"] * 2, "it keeps and tells any attribute"),
    ),
    Scenario(
        redrive_policies_that_lead_nowhere_are_refused,
        {INVALID},
        Difference({_BAD_VALUE}, "it takes another code; of SQS a text that names the parameter's value is on record"),
    ),
    Scenario(a_queue_is_purged, [0, 0, 0]),
    Scenario(
        a_queue_is_purged_twice,
        ["ok", PREFIX + "PurgeQueueInProgress"],
        Difference(["ok", "ok"], "it has no clock for it"),
    ),
    Scenario(a_queue_is_deleted, [_NO_QUEUE, True]),
    Scenario(
        a_deleted_queue_is_made_anew_at_once,
        PREFIX + "QueueDeletedRecently",
        Difference("ok", "it forgets a queue that is deleted"),
    ),
    Scenario(
        dead_letters_are_led_back,
        ["ok", "ok", "ok", INVALID],
        Difference([_NO_ACTION] * 4, "it has no such operations"),
    ),
)
