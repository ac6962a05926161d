"""The configuration that an environment's services read at their start: its object in S3, or else the repository's."""

import shlex
from pathlib import Path

from deployment.environment import Environment
from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.config_places import ConfigPlaces

#: Where copilot/environments/addons/state.yml (output AlertsConfig) has the services look in their bucket.
CONFIG_KEY = "config/alerts.yaml"
#: What images and compose.yaml have where nothing was ever uploaded; seen from the repository's root.
CONFIG_FILE = Path("config/alerts.yaml")
#: The output that names the bucket; the compose system has none.
BUCKET_OUTPUT = "StateBucketName"


def config_in_force(environment: Environment) -> tuple[AlertsConfig, str]:
    """The configuration and the place it was found at. Raises UserMistake, and Unavailable where S3 does not answer."""
    bucket = environment.optional_export(BUCKET_OUTPUT)
    places = [f"s3://{bucket}/{CONFIG_KEY}"] if bucket else []
    asked = shlex.join([*places, str(CONFIG_FILE)])
    document = ConfigPlaces(asked, lambda: environment.client("s3"), lambda: environment.client("ssm")).read()
    return parse_alerts_config(document.text, document.place), document.place
