"""The bucket of an environment, made on the emulator from the template that AWS gets."""

from pathlib import Path

from tests.support.emulator import START_SECONDS, Emulator
from tests.support.polling import wait_until

TEMPLATE = Path("copilot/environments/addons/state.yml")


def make_state_bucket(emulator: Emulator, env: str) -> str:
    """Its name. The stack stays: an environment's name is used once."""
    cloudformation = emulator.client("cloudformation")
    stack = f"state-{env}"
    cloudformation.create_stack(
        StackName=stack,
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": "App", "ParameterValue": "tweet-alerts"},
            {"ParameterKey": "Env", "ParameterValue": env},
        ],
    )

    def outputs() -> dict[str, str]:
        (description,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        if description["StackStatus"] != "CREATE_COMPLETE":
            return {}
        return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}

    wait_until(outputs, f"the stack {stack}", START_SECONDS)
    return outputs()["StateBucketName"]
