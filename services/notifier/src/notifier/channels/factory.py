"""From the channels of config/alerts.yaml to channels that work."""

from collections.abc import Container, Mapping
from typing import TextIO

from notifier.channels.contract import Channel
from notifier.channels.sns import SnsChannel
from notifier.channels.stdout import StdoutChannel
from notifier.settings import Settings
from pipeline.alerts_config import AlertsConfig
from pipeline.aws import aws_client
from pipeline.errors import UserMistake


def build_channels(
    config: AlertsConfig, place: str, settings: Settings, stdout: TextIO, besides: Container[str] = ()
) -> Mapping[str, Channel]:
    """A channel for each name in the configuration, which came from ``place``, but for those that are there already.

    Raises UserMistake where the environment lacks what a channel needs.
    """
    channels: dict[str, Channel] = {}
    for name, channel in config.channels.items():
        if name in besides:
            continue
        if channel.type == "stdout":
            channels[name] = StdoutChannel(stdout)
        else:
            if not settings.sns_topic_arn:
                raise UserMistake(
                    f"environment: SNS_TOPIC_ARN: expected the ARN of a topic for channel {name!r} "
                    f"of {place}, got nothing"
                )
            channels[name] = SnsChannel(aws_client("sns", settings.aws_region), settings.sns_topic_arn)
    return channels
