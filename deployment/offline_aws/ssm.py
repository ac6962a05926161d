"""SSM parameters, in which Copilot keeps what it knows of applications, environments and workloads."""

import json

from deployment.offline_aws.account import ACCOUNT_ID, Account
from deployment.offline_aws.calls import AwsError, Document
from deployment.offline_aws.workspace import Workspace


class ParameterStore:
    """Answers as if the application, its environments and its workloads had been initialised."""

    def __init__(self, workspace: Workspace, account: Account) -> None:
        root = f"/copilot/applications/{workspace.application}"
        self._values: dict[str, Document] = {
            root: {"name": workspace.application, "account": ACCOUNT_ID, "version": "1.0"},
            **{
                f"{root}/environments/{name}": {
                    "app": workspace.application,
                    "name": name,
                    "region": account.region,
                    "accountID": ACCOUNT_ID,
                    "managerRoleARN": account.manager_role(name),
                    "executionRoleARN": account.execution_role(name),
                }
                for name in workspace.environments
            },
            **{
                f"{root}/components/{workload.name}": {
                    "app": workspace.application,
                    "name": workload.name,
                    "type": workload.type,
                }
                for workload in workspace.workloads
            },
        }

    def get_parameter(self, request: Document) -> Document:
        """GetParameter. Raises AwsError where there is none of that name."""
        name = request["Name"]
        if name not in self._values:
            raise AwsError("ParameterNotFound", name)
        value = json.dumps(self._values[name])
        return {"Parameter": {"Name": name, "Type": "String", "Version": 1, "Value": value}}
