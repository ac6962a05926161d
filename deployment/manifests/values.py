"""The kinds of values that stand in a manifest, each with the words in which a mistake says what was expected."""

from typing import Annotated, Literal

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a manifest that belong together; any other key among them is a mistake."""


Text = Annotated[str, msgspec.Meta(min_length=1, title="a text that is not empty")]
#: Copilot hands it on as it is written: 0.50 stays "0.50".
Scalar = Annotated[str | int | float | bool, msgspec.Meta(title="a text, a number, or true or false")]
Words = Annotated[list[Text], msgspec.Meta(min_length=1, title="a list of texts")]
#: A command line: one text is split as a shell would.
CommandLine = Annotated[str | list[str], msgspec.Meta(title="a text or a list of texts")]
Flag = Annotated[bool, msgspec.Meta(title="true or false")]
Whole = Annotated[int, msgspec.Meta(ge=0, title="a whole number from 0 up")]
Percentage = Annotated[int, msgspec.Meta(ge=0, le=100, title="a whole number from 0 to 100")]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535, title="a port from 1 to 65535")]
#: A Go duration, but of whole seconds: Copilot cuts off what is less.
Duration = Annotated[
    str, msgspec.Meta(pattern=r"^(?=.)(\d+h)?(\d+m)?(\d+s)?$", title="a duration of whole seconds such as 30s or 1m30s")
]
NumberRange = Annotated[str, msgspec.Meta(pattern=r"^\d+-\d+$", title="two whole numbers such as 1-10")]
Cidr = Annotated[
    str, msgspec.Meta(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", title="a range of IPv4 addresses such as 10.0.0.0/16")
]
Arn = Annotated[str, msgspec.Meta(pattern=r"^arn:\S+$", title="an ARN")]
WorkspacePath = Annotated[str, msgspec.Meta(pattern=r"^[^/]", title="a path that starts at the workspace's root")]
EnvFile = Annotated[str, msgspec.Meta(pattern=r"^[^/].*\.env$", title="a .env file's path from the workspace's root")]
ContainerPath = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9._/-]{1,241}$", title="up to 241 letters, digits and . _ / -")
]
#: AWS::Logs::LogGroup, RetentionInDays (AWS CloudFormation User Guide).
RetentionDays = Annotated[
    Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
    msgspec.Meta(
        title="a number of days that CloudWatch Logs knows (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, "
        "731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)"
    ),
]
#: "Get exported outputs from a deployed CloudFormation stack" (AWS CloudFormation User Guide).
ExportName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^([A-Za-z0-9:-]|\$\{[A-Za-z_][A-Za-z0-9_]*\})+$",
        title="the name of a stack's export (letters, digits, : and -)",
    ),
]
#: PutParameter, Name (AWS Systems Manager API Reference). A secret pasted in its stead mostly has other characters too.
SecretName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(arn:\S+|([A-Za-z0-9._/-]|\$\{[A-Za-z_][A-Za-z0-9_]*\})+)$",
        title="an SSM parameter's name, or the ARN of a parameter or secret",
    ),
]


class FromStack(Section, frozen=True):
    """A value that another stack exports, by the export's name."""

    from_cfn: ExportName


class SecretFrom(Section, frozen=True):
    """A secret by an export that holds its name or ARN, or by its name in Secrets Manager."""

    from_cfn: ExportName | None = None
    secretsmanager: Text | None = None


Variables = dict[str, Scalar | FromStack]
Secrets = dict[str, SecretName | SecretFrom]
Labels = dict[str, Scalar]
