"""The one place that knows all parts of `pipeline dead-letters`."""

import random
import time
from collections.abc import Mapping, Sequence

import boto3
from botocore.exceptions import BotoCoreError

from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.dead_letters.arguments import options_from
from pipeline.dead_letters.interruption import Interruption
from pipeline.dead_letters.listing import list_dead_letters
from pipeline.dead_letters.options import ListOptions, Options, PurgeOptions, RedriveOptions, ShowOptions
from pipeline.dead_letters.purge import purge_dead_letters
from pipeline.dead_letters.queues import Queues
from pipeline.dead_letters.redrive_command import redrive_dead_letters
from pipeline.dead_letters.showing import show_dead_letters
from pipeline.dead_letters.tools import Terminal, Tools
from pipeline.dead_letters.tries import Tries
from pipeline.errors import UserMistake


def run(arguments: Sequence[str], environ: Mapping[str, str], terminal: Terminal) -> int:
    """The exit code: 0, 1 where something was left undone, 130 after Ctrl-C. Call it from the main thread.

    Raises UserMistake, Unavailable, and KeyboardInterrupt for Ctrl-C while nothing is in hand and for a second one.
    """
    options = options_from(arguments)
    region = _region(environ)
    interruption = Interruption()
    rng = random.Random()
    tries = Tries(lambda: Backoff(0.2, 3.0, rng), interruption.pause)
    sqs = aws_client("sqs", region)
    queues = Queues(sqs, tries, environ, options.prefix, region, time.time)
    return execute(options, Tools(sqs, tries, queues, interruption, terminal, time.monotonic, time.sleep))


def execute(options: Options, tools: Tools) -> int:
    """Does what the options ask for, as ``run``."""
    match options:
        case ListOptions():
            return list_dead_letters(options, tools)
        case ShowOptions():
            return show_dead_letters(options, tools)
        case RedriveOptions():
            return redrive_dead_letters(options, tools)
        case PurgeOptions():
            return purge_dead_letters(options, tools)
        case _:
            raise TypeError(f"no command for {options}")


def _region(environ: Mapping[str, str]) -> str:
    """As the services' variable has it, and otherwise as boto3 finds it: AWS_DEFAULT_REGION, or the profile's."""
    try:
        region = environ.get("AWS_REGION") or boto3.session.Session().region_name
    except BotoCoreError as error:
        raise UserMistake(f"environment: AWS_PROFILE: expected what boto3 accepts, got: {error}") from error
    if not region:
        raise UserMistake("environment: AWS_REGION: expected a region such as us-east-1, got nothing")
    return region
