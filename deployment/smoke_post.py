"""The marked post of a smoke test: about a label that leads to SNS, in words that any zero-shot model takes for it."""

from datetime import datetime

from pipeline.alerts_config import AlertsConfig
from pipeline.contracts import VERSION, Author, Post
from pipeline.errors import UserMistake
from pipeline.label_config import Label

#: Of the posts' ids, and their source in metrics.
SOURCE = "smoke"


def label_to_try(config: AlertsConfig, place: str) -> Label:
    """Of the labels whose first matching route leads to a channel of type sns, the one that is easiest to pass.

    ``place`` names the configuration in the error. Raises UserMistake where no label leads there.
    """
    routed = [label for label in config.labels if _leads_to_sns(config, label.name)]
    if not routed:
        raise UserMistake(
            f"{place}: routes: expected one that leads a label to a channel of type sns, found none: "
            "nothing can be heard of a post"
        )
    return min(routed, key=lambda label: label.threshold)


def _leads_to_sns(config: AlertsConfig, label: str) -> bool:
    # a checked configuration has a route for each label
    route = next(route for route in config.routes if route.matches(label))
    return any(config.channels[name].type == "sns" for name in route.channels)


def smoke_post(label: Label, hypothesis_template: str, token: str, now: datetime) -> Post:
    """A post that only ``token`` tells from others like it. It reaches people, so it says first that it is a test.

    What follows is the very sentence that the model holds posts against, which entails itself.
    """
    sentence = hypothesis_template.replace("{}", label.candidate)
    return Post(
        v=VERSION,
        id=f"{SOURCE}:{token}",
        source=SOURCE,
        # not "smoke test": people who wait for wildfires would read that twice
        text=f"[test {token} of tweet-alerts, please ignore] {sentence}",
        author=Author(username="smoke", name="make smoke"),
        created_at=now,
        received_at=now,
        trace_id=token,
    )
