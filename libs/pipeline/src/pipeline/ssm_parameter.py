"""One parameter of AWS Systems Manager's Parameter Store, and what its errors mean.

AWS Systems Manager API Reference: GetParameter. Needs ``ssm:GetParameter`` on the parameter. A text has at most 4 KB,
in a parameter of the advanced tier 8 KB (User Guide, "Managing parameter tiers").
"""

import re
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import ClientError

from pipeline.aws_errors import error_code, explained, may_pass
from pipeline.errors import NotThere, Unavailable, UserMistake

#: API Reference, PutParameter, Name: a hierarchy that begins with a slash.
_PLACE = re.compile(r"ssm:((?:/[A-Za-z0-9_.-]+)+)")


class SsmClient(Protocol):
    """What is used of boto3's client."""

    def get_parameter(self, *, Name: str) -> Any:  # noqa: N803 - as boto3 names them
        """See boto3."""


class SsmParameter(NamedTuple):
    """A parameter's text, and a text that changes with it: its version."""

    text: str
    version: str


def name_in_ssm(place: str) -> str | None:
    """The name of the parameter in ``ssm:/name/of/parameter``; None for what is no such place."""
    match = _PLACE.fullmatch(place)
    return match[1] if match else None


def read_ssm_parameter(ssm: SsmClient, name: str) -> SsmParameter:
    """The parameter, which must be of type String.

    Raises NotThere where there is none of this name, Unavailable where the same call may succeed later, and UserMistake
    for everything else: access denied, another type. Each message names the parameter.
    """
    expected = f"ssm:{name}: expected a parameter of type String that can be read"
    with explained(expected, _kind_of):
        parameter = ssm.get_parameter(Name=name)["Parameter"]
    if parameter["Type"] != "String":
        raise UserMistake(f"{expected}, got: type {parameter['Type']}")
    return SsmParameter(parameter["Value"], f"version {parameter['Version']}")


def _kind_of(error: ClientError) -> type[NotThere | Unavailable | UserMistake]:
    if error_code(error) == "ParameterNotFound":
        return NotThere
    return Unavailable if may_pass(error) else UserMistake
