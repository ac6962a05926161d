"""Settings of classifier, from environment variables."""

from pipeline.settings import CommonSettings, Count, Seconds, Text, Url


class EndpointSettings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """What asking a model takes, also where no queue is; services/classifier/README.md says what each means."""

    aws_region: Text
    endpoint_name: Text
    model_name: str = ""
    fallback_endpoint_name: str = ""
    fallback_model_name: str = ""
    alerts_config: Text = "config/alerts.yaml"
    workers: Count = 4
    batch_texts: Count = 64
    batch_pairs: Count = 3200
    batch_wait_seconds: Seconds = 0.005
    cache_mb: Count = 64
    cache_seconds: Seconds = 3600.0

    @property
    def model(self) -> str:
        """The name of the model, as alerts carry it; the endpoint's name stands in for one that was not given."""
        return self.model_name or self.endpoint_name

    @property
    def fallback_model(self) -> str:
        """As ``model``, of the second endpoint; empty where there is none."""
        return self.fallback_model_name or self.fallback_endpoint_name


class Settings(EndpointSettings, frozen=True, kw_only=True, rename="upper"):
    """What the service reads."""

    posts_queue_url: Url
    posts_dead_letter_queue_url: Url
    alerts_queue_url: Url
    config_reload_seconds: Seconds = 10.0
