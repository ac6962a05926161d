"""What boto3 refuses at start is one line, not a traceback."""

import pytest

from pipeline.aws import aws_client
from pipeline.errors import UserMistake


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_ENDPOINT_URL_SQS", "localhost:4566", "localhost:4566"),
        ("AWS_PROFILE", "nobody", "nobody"),
    ],
)
def test_a_setting_that_boto3_refuses_is_a_users_mistake(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserMistake, match=f"{variable.replace('_SQS', '')}.*{said}") as mistake:
        aws_client("sqs", "us-east-1")
    assert "\n" not in str(mistake.value)


def test_a_region_that_cannot_be_is_a_users_mistake() -> None:
    with pytest.raises(UserMistake, match=r"AWS_REGION.*us_east!"):
        aws_client("sqs", "us_east!")
