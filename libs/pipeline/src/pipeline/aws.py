"""AWS clients as the services need them: short time-outs, and no retries beside the services' own."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from pipeline.errors import UserMistake

#: Seconds to connect, and to wait for an answer beyond what a long poll may take by itself.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 15.0


def aws_client(service: str, region: str, *, read_timeout: float = READ_TIMEOUT, connections: int = 10) -> Any:
    """A boto3 client with one connection pool, safe to share between threads.

    Endpoints come from AWS_ENDPOINT_URL_<SERVICE>, credentials from boto3's usual chain. Botocore's retries are off:
    the callers know what may be tried again and when to stop, and their waits end with the process's drain.
    Raises UserMistake for settings that boto3 refuses.
    """
    config = Config(
        region_name=region,
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"total_max_attempts": 1},
        user_agent_extra="tweet-alerts",
    )
    try:
        return boto3.session.Session().client(service, config=config)  # type: ignore[call-overload]
    except (BotoCoreError, ValueError) as error:
        # botocore checks region, endpoint and profile here, and each error names what it is about
        raise UserMistake(
            f"environment: AWS_REGION, AWS_ENDPOINT_URL_*, AWS_PROFILE: expected what boto3 accepts, got: {error}"
        ) from error
