"""From a policy in a template to single rights, and everything that must not pass for a right."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cloudformation import evaluated, load_template
from tests.support.iam_policies import InexactStatement, Right, rights_of

TEMPLATE = """
Parameters:
  App: {Type: String}
Resources:
  AccessPolicy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Action: [sqs:SendMessage, sqs:ReceiveMessage]
            Resource:
              - !Sub 'arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${App}-posts'
              - !Sub 'arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${App}-alerts'
          - Sid: Read
            Effect: Allow
            Action: s3:GetObject
            Resource: !Sub
              - '${Bucket}/config/alerts.yaml'
              - Bucket:
                  Fn::ImportValue: !Sub '${App}-BucketArn'
  Bucket:
    Type: AWS::S3::Bucket
"""
QUEUES = "arn:aws:sqs:us-east-1:000000000000:shop"
STATEMENT = {"Sid": "Send", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"{QUEUES}-posts"}


def with_statement(**changes: Any) -> dict[str, Any]:
    document = {"Statement": {**STATEMENT, **changes}}
    policy = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}
    return {"Resources": {"AccessPolicy": policy}}


def test_each_action_on_each_resource_is_a_right(tmp_path: Path) -> None:
    file = tmp_path / "access.yml"
    file.write_text(TEMPLATE)
    parameters = {"App": "shop", "AWS::Region": "us-east-1", "AWS::AccountId": "000000000000"}
    template = evaluated(load_template(file), parameters, {"shop-BucketArn": "arn:aws:s3:::shop-bucket-1x2y"})
    assert rights_of("classifier", template) == {
        Right("classifier", "sqs:SendMessage", f"{QUEUES}-posts"),
        Right("classifier", "sqs:SendMessage", f"{QUEUES}-alerts"),
        Right("classifier", "sqs:ReceiveMessage", f"{QUEUES}-posts"),
        Right("classifier", "sqs:ReceiveMessage", f"{QUEUES}-alerts"),
        Right("classifier", "s3:GetObject", "arn:aws:s3:::shop-bucket-1x2y/config/alerts.yaml"),
    }


def test_what_nobody_exports_cannot_be_imported(tmp_path: Path) -> None:
    file = tmp_path / "access.yml"
    file.write_text(TEMPLATE)
    with pytest.raises(KeyError, match="shop-BucketArn"):
        evaluated(load_template(file), {"App": "shop"}, {"shop-BucketName": "shop-bucket-1x2y"})


def test_a_right_reads_as_a_line() -> None:
    assert str(Right("notifier", "sns:Publish", "arn:aws:sns:us-east-1:0:topic")) == (
        "notifier: sns:Publish on arn:aws:sns:us-east-1:0:topic"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Action": "sqs:*"}, "expected an exact action, got 'sqs:*'"),
        ({"Action": ["sqs:SendMessage", "sqs:Get*"]}, "expected an exact action, got 'sqs:Get*'"),
        ({"Action": "*"}, "expected an exact action, got '*'"),
        ({"Resource": "*"}, "expected the ARN of one resource, got '*'"),
        ({"Resource": f"{QUEUES}-*"}, f"expected the ARN of one resource, got '{QUEUES}-*'"),
        ({"Resource": f"{QUEUES}-post?"}, f"expected the ARN of one resource, got '{QUEUES}-post?'"),
        ({"Resource": "arn:aws:sqs:*:000000000000:posts"}, "expected the ARN of one resource"),
        # a reference to what this template makes itself, and one that nobody has put a value to
        ({"Resource": "<Queue.Arn>"}, "expected the ARN of one resource, got '<Queue.Arn>'"),
        ({"Resource": "arn:aws:s3:::${Bucket}"}, "expected the ARN of one resource"),
        ({"Effect": "Deny"}, "expected Effect Allow, got Deny"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, "expected Action and Resource alone, got Condition"),
        ({"NotAction": "sqs:SendMessage"}, "expected Action and Resource alone, got NotAction"),
        ({"NotResource": f"{QUEUES}-posts"}, "expected Action and Resource alone, got NotResource"),
    ],
)
def test_what_is_more_or_less_than_its_actions_on_its_resources(changes: dict[str, Any], said: str) -> None:
    assert rights_of("classifier", with_statement()) == {Right("classifier", "sqs:SendMessage", f"{QUEUES}-posts")}
    with pytest.raises(InexactStatement) as raised:
        rights_of("classifier", with_statement(**changes))
    assert str(raised.value).startswith(f"classifier: AccessPolicy: Send: {said}")
