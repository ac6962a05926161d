"""Builds the source bluesky."""

import re
import time

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.config_at_start import config_at_start
from pipeline.config_places import ConfigPlaces
from pipeline.errors import UserMistake
from pipeline.settings import read_settings
from stream_getter.bluesky.cursor import Cursor
from stream_getter.bluesky.filter import Filter, unknowable
from stream_getter.bluesky.settings import BlueskySettings
from stream_getter.bluesky.stream import BlueskyStream
from stream_getter.matching.rules import RuleSet
from stream_getter.source import Source, Surroundings

_ADDRESS = re.compile(r"wss?://[^\s?#]+/subscribe")
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


def build(around: Surroundings) -> Source:
    """See stream_getter.source. Raises UserMistake, and Unavailable where the configuration cannot be reached."""
    settings = read_settings(BlueskySettings, around.environ)
    return BlueskyStream(
        _checked(settings.bluesky_urls),
        Cursor(
            around.state,
            around.now,
            time.monotonic,
            settings.bluesky_rewind_seconds,
            settings.bluesky_rewind_other_host_seconds,
            settings.bluesky_save_seconds,
        ),
        Filter(_rules(settings.alerts_config, around), settings.bluesky_words, settings.bluesky_langs),
        settings.bluesky_stall_seconds,
        around.metrics,
        Backoff(_FIRST_WAIT, _LONGEST_WAIT, around.rng),
        around.stopping,
        around.notices,
        around.occasionally,
        now=around.now,
        clock=time.monotonic,
        new_trace_id=around.new_trace_id,
    )


def _checked(urls: str) -> list[str]:
    for url in urls.split() or [urls]:
        if "@" in url:
            # without the address: it would show a password
            raise UserMistake(
                "environment: BLUESKY_URLS: expected addresses without a user and a password, got one with an @"
            )
        if not _ADDRESS.fullmatch(url):
            raise UserMistake(
                "environment: BLUESKY_URLS: expected addresses of Jetstream v1 such as "
                f"wss://jetstream1.us-east.bsky.network/subscribe, with blanks between, got {url!r}"
            )
        try:
            # a label of a host's name has its bounds, which show only when it is looked up
            parse_uri(url).host.encode("idna")
        except (InvalidURI, ValueError) as error:
            raise UserMistake(f"environment: BLUESKY_URLS: expected a WebSocket address, got {url!r}") from error
    return list(dict.fromkeys(urls.split()))


def _rules(alerts_config: str, around: Surroundings) -> RuleSet:
    if not alerts_config:
        return RuleSet([], "rules")
    region = around.environ.get("AWS_REGION", "")
    places = ConfigPlaces(
        alerts_config,
        lambda: aws_client("s3", region),
        lambda: aws_client("ssm", region),
    )
    in_force = config_at_start(places, Backoff(_FIRST_WAIT, 10.0, around.rng))
    place = f"{in_force.document.place}: rules"
    if in_force.config.rules == []:
        # at X it lets nothing pass; here nobody could mean that
        raise UserMistake(
            f"{place}: expected at least one rule for Bluesky, or no list for all posts, got an empty list"
        )
    return RuleSet(in_force.config.rules or [], place, unknowable)
