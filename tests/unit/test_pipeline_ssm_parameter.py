"""A parameter of SSM: its text and version, and what each error means."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from pipeline.errors import NotThere, Unavailable, UserMistake
from pipeline.ssm_parameter import SsmParameter, name_in_ssm, read_ssm_parameter
from tests.support.fake_ssm import FakeSsm, ssm_error

NAME = "/tweet-alerts/prod/alerts"
EXPECTED = f"ssm:{NAME}: expected a parameter of type String that can be read, got: "


@pytest.fixture
def ssm() -> FakeSsm:
    ssm = FakeSsm()
    ssm.put(NAME, "labels: []")
    return ssm


def test_the_text_and_its_version(ssm: FakeSsm) -> None:
    assert read_ssm_parameter(ssm, NAME) == SsmParameter("labels: []", "version 1")
    ssm.put(NAME, "other")
    assert read_ssm_parameter(ssm, NAME) == SsmParameter("other", "version 2")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("ssm:/alerts", "/alerts"),
        ("ssm:/tweet-alerts/prod/alerts_2.yaml", "/tweet-alerts/prod/alerts_2.yaml"),
        ("ssm:alerts", None),
        ("ssm://alerts", None),
        ("ssm:/alerts/", None),
        ("ssm:/news desk/alerts", None),
        ("ssm:/alerts:3", None),
        ("SSM:/alerts", None),
        ("s3://bucket/alerts", None),
    ],
)
def test_the_name_in_a_place(place: str, name: str | None) -> None:
    assert name_in_ssm(place) == name


def test_a_parameter_that_is_not_there(ssm: FakeSsm) -> None:
    with pytest.raises(NotThere) as caught:
        read_ssm_parameter(ssm, "/none")
    # SSM has no words for it
    assert str(caught.value) == (
        "ssm:/none: expected a parameter of type String that can be read, got: ParameterNotFound"
    )


@pytest.mark.parametrize("type_", ["SecureString", "StringList"])
def test_another_type_is_a_mistake_and_its_text_is_told_nowhere(ssm: FakeSsm, type_: str) -> None:
    ssm.put(NAME, "secret", type_)
    with pytest.raises(UserMistake) as caught:
        read_ssm_parameter(ssm, NAME)
    assert str(caught.value) == f"{EXPECTED}type {type_}"


@pytest.mark.parametrize(
    "error",
    [
        ssm_error("AccessDeniedException"),
        ssm_error("ValidationException"),
        ssm_error("InvalidKeyId"),
        NoCredentialsError(),
    ],
    ids=str,
)
def test_what_waiting_does_not_mend_is_a_mistake_and_no_absence(ssm: FakeSsm, error: Exception) -> None:
    ssm.faults = [error]
    with pytest.raises(UserMistake) as caught:
        read_ssm_parameter(ssm, NAME)
    assert not isinstance(caught.value, NotThere)
    assert str(caught.value).startswith(EXPECTED)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ssm_error("InternalServerError", 500),
        ssm_error("ServiceUnavailable", 503),
        ssm_error("ThrottlingException"),
        EndpointConnectionError(endpoint_url="https://ssm.eu-central-1.amazonaws.com"),
        ReadTimeoutError(endpoint_url="https://ssm.eu-central-1.amazonaws.com"),
    ],
    ids=str,
)
def test_what_may_pass_is_told_apart(ssm: FakeSsm, error: ClientError | BotoCoreError) -> None:
    ssm.faults = [error]
    with pytest.raises(Unavailable) as caught:
        read_ssm_parameter(ssm, NAME)
    assert str(caught.value).startswith(EXPECTED)
