"""Settings of `stream-getter rules`, from environment variables: those of the services that have the same need."""

from pipeline.settings import CommonSettings, Text, Url


class FileSettings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Where config/alerts.yaml is. The region is needed for S3 and SSM alone, and boto3 may know it too."""

    alerts_config: Text = "config/alerts.yaml"
    aws_region: str = ""


class AccountSettings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """The account at X."""

    x_bearer_token: Text
    x_api_url: Url = "https://api.x.com"
