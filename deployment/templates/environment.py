"""An environment's template: network, cluster, and the stack of its addons."""

import copy
from collections.abc import Mapping, Sequence

from deployment.templates.copilot import SUBNETS, SUBNETS_OF_PLAIN_ENVIRONMENT, make_plain, nest_locally
from deployment.templates.expressions import substituted
from deployment.templates.template import Template

#: Copilot and CloudFormation act through them. Their DeletionPolicy keeps them in an account that is taken over, where
#: CloudFormation goes on with the role that a stack was made with ("CloudFormation service role").
_BOOTSTRAP_ROLES = {"CloudformationExecutionRole", "EnvironmentManagerRole"}
#: They hold nothing but what makes each of Copilot's templates differ from the one before.
_FORCED_CHANGES = ("EnabledFeatures", "LastForceDeployID")


def make_environment_plain(
    template: Template, values: Mapping[str, str], asked: Mapping[str, Sequence[str]], name: str, addons: str | None
) -> None:
    """Makes the plain template of environment ``name`` out of Copilot's.

    ``values`` are Copilot's parameters of it, ``asked`` the services that want a feature by the parameter that Copilot
    enters them in, and ``addons`` is the file name of its addons' template. Raises UserMistake for features that only
    Copilot can make, such as a domain.
    """
    for output in _FORCED_CHANGES:
        template.outputs.pop(output, None)
    if addons is not None:
        nest_locally(template, addons)
    decided = {**values, **{parameter: ",".join(services) for parameter, services in asked.items()}}
    make_plain(template, f"copilot/environments/{name}/manifest.yml", decided, _BOOTSTRAP_ROLES)
    template.describe(f"Network and cluster of {values['AppName']}, environment {name}; its addons hold the rest")
    template.outputs[SUBNETS_OF_PLAIN_ENVIRONMENT] = {
        "Description": f"{SUBNETS} again: services import these, and so are refused where the environment is Copilot's",
        "Value": copy.deepcopy(template.outputs[SUBNETS]["Value"]),
        "Export": {"Name": substituted(f"${{AWS::StackName}}-{SUBNETS_OF_PLAIN_ENVIRONMENT}")},
    }
