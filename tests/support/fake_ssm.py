"""Parameters of AWS Systems Manager in memory, with the errors that it answers by, and faults on demand."""

from typing import Any

from botocore.exceptions import ClientError


def ssm_error(code: str, status: int = 400, message: str = "as SSM says it") -> ClientError:
    """What botocore raises for an error answer of SSM."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "GetParameter",
    )


class FakeSsm:
    """``faults`` are raised by the next calls, one each; ``calls`` counts all calls."""

    def __init__(self) -> None:
        self.parameters: dict[str, dict[str, Any]] = {}
        self.faults: list[Exception] = []
        self.calls = 0

    def put(self, name: str, text: str, type_: str = "String") -> None:
        """Puts a parameter, in the place of an older one with the next version."""
        version = self.parameters[name]["Version"] + 1 if name in self.parameters else 1
        self.parameters[name] = {"Name": name, "Type": type_, "Value": text, "Version": version}

    def get_parameter(self, *, Name: str) -> Any:  # noqa: N803 - as boto3 names them
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        if Name not in self.parameters:
            raise ssm_error("ParameterNotFound", message="")
        return {"Parameter": self.parameters[Name]}
