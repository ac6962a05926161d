"""The Resource Groups Tagging API, by which Copilot finds the topics that a Worker Service may subscribe to."""

from deployment.offline_aws.account import Account
from deployment.offline_aws.calls import Document, NotAnswered
from deployment.offline_aws.workspace import Workspace


class TaggedResources:
    """Knows the topics that the workspace's manifests publish to, as deployed in every environment."""

    def __init__(self, workspace: Workspace, account: Account) -> None:
        self._workspace = workspace
        self._account = account

    def get_resources(self, request: Document) -> Document:
        """GetResources of type sns for one environment. Raises NotAnswered for any other question."""
        tags = {tag["Key"]: tag["Values"] for tag in request.get("TagFilters", [])}
        if request.get("ResourceTypeFilters") != ["sns"] or len(tags.get("copilot-environment", [])) != 1:
            raise NotAnswered(f"tagging GetResources {dict(request)}")
        environment = tags["copilot-environment"][0]
        return {
            "PaginationToken": "",
            "ResourceTagMappingList": [
                {
                    "ResourceARN": self._account.arn(
                        "sns", f"{self._account.stack(environment)}-{workload.name}-{topic}"
                    ),
                    "Tags": [
                        {"Key": "copilot-application", "Value": self._workspace.application},
                        {"Key": "copilot-environment", "Value": environment},
                        {"Key": "copilot-service", "Value": workload.name},
                    ],
                }
                for workload in self._workspace.workloads
                for topic in workload.topics
            ],
        }
