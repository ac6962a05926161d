"""The ECS services of an environment, found by the tags that AWS Copilot puts on all it makes, and started anew."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from deployment.environment import APP, Environment


class EcsService(NamedTuple):
    """A running service: its name in copilot/, and where ECS has it."""

    name: str
    cluster: str
    arn: str


def find_services(environment: Environment, names: Sequence[str]) -> list[EcsService]:
    """Those of these services that are deployed there, in their order. Raises botocore's errors."""
    ecs = environment.client("ecs")
    tagged = _tagged(environment, names)
    return [EcsService(name, *where) for name in names for where in tagged.get(name, []) if _is_active(ecs, *where)]


def restart(environment: Environment, service: EcsService) -> None:
    """Has ECS replace the service's tasks, as its deployment configuration says; returns before that is done."""
    environment.client("ecs").update_service(cluster=service.cluster, service=service.arn, forceNewDeployment=True)


def _tagged(environment: Environment, names: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Clusters and ARNs by service name. Services of the past may be among them, for tags outlive what they are on."""
    tags = {
        "copilot-application": [APP],
        "copilot-environment": [environment.name],
        "copilot-service": list(names),
    }
    pages = (
        environment.client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(
            ResourceTypeFilters=["ecs:service"],
            TagFilters=[{"Key": key, "Values": values} for key, values in tags.items()],
        )
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for page in pages:
        for resource in page["ResourceTagMappingList"]:
            name = next(tag["Value"] for tag in resource["Tags"] if tag["Key"] == "copilot-service")
            arn = resource["ResourceARN"]
            # arn:aws:ecs:region:account:service/cluster/name: only ARNs of this format carry tags (Amazon ECS
            # Developer Guide, "Amazon Resource Names (ARNs) and IDs")
            found.setdefault(name, []).append((arn.split("/")[-2], arn))
    return found


def _is_active(ecs: Any, cluster: str, arn: str) -> bool:
    services = ecs.describe_services(cluster=cluster, services=[arn])["services"]
    return any(service["status"] == "ACTIVE" for service in services)
