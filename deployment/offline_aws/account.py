"""Names of what a Copilot application consists of in an account, which here is an invented one."""

from dataclasses import dataclass

#: An account id that AWS's documentation uses in examples.
ACCOUNT_ID = "123456789012"


@dataclass(frozen=True)
class Account:
    """The account that an application is in, as seen from one region. Every ARN is made here."""

    application: str
    region: str

    def stack(self, environment: str) -> str:
        """The name of an environment's stack; a workload's stack adds its name to it."""
        return f"{self.application}-{environment}"

    @property
    def resources_stack(self) -> str:
        """The name of the stack that holds what all environments of a region share: repositories, bucket, key."""
        return f"StackSet-{self.application}-infrastructure"

    def iam(self, resource: str) -> str:
        """ARN of a role or user."""
        return f"arn:aws:iam::{ACCOUNT_ID}:{resource}"

    def arn(self, service: str, resource: str) -> str:
        """ARN of what belongs to the region."""
        return f"arn:aws:{service}:{self.region}:{ACCOUNT_ID}:{resource}"

    def stack_id(self, name: str) -> str:
        """ARN of a stack."""
        return self.arn("cloudformation", f"stack/{name}/0")

    def manager_role(self, environment: str) -> str:
        """ARN of the role that Copilot works in an environment with."""
        return self.iam(f"role/{self.stack(environment)}-EnvManagerRole")

    def execution_role(self, environment: str) -> str:
        """ARN of the role that CloudFormation works in an environment with."""
        return self.iam(f"role/{self.stack(environment)}-CFNExecutionRole")
