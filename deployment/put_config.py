"""The command behind `make config`: puts config/alerts.yaml where an environment's services look for it.

    python -m deployment.put_config --env ENV [--file config/alerts.yaml] [--restart]

The file is checked first; a mistake in it changes nothing. The bucket keeps earlier versions for 30 days. Its readers
notice it by themselves; --restart starts them anew all the same, also where nothing had to be put.

It needs these rights: cloudformation:ListExports; s3:ListBucket on the bucket, s3:GetObject and PutObject on the
object; with --restart tag:GetResources, and ecs:DescribeServices and UpdateService on the two services.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from deployment.command import exit_with
from deployment.config_in_force import BUCKET_OUTPUT, CONFIG_FILE, CONFIG_KEY
from deployment.ecs_services import find_services, restart
from deployment.environment import LOCAL, Environment, find_environment
from pipeline.alerts_config import parse_alerts_config
from pipeline.config_places import LIMIT, read_config_file
from pipeline.errors import NotThere, UserMistake
from pipeline.s3_object import S3Object, read_s3_object

#: The services that read the configuration, at their start.
READERS = ("classifier", "notifier")


def main() -> None:
    """Exits with 0 when the file lies there, 1 when AWS refused, 2 for a mistake."""
    exit_with("config", lambda: _main(sys.argv[1:], os.environ, sys.stdout))


def _main(arguments: Sequence[str], environ: Mapping[str, str], output: TextIO) -> int:
    parser = argparse.ArgumentParser(prog="config", description="Puts config/alerts.yaml into an environment in AWS.")
    parser.add_argument("--env", help="an environment in AWS")
    parser.add_argument("--file", type=Path, default=CONFIG_FILE, help="what to put there (default: %(default)s)")
    parser.add_argument("--restart", action="store_true", help="start the services that read it anew")
    options = parser.parse_args(arguments)
    if not options.env or options.env == LOCAL:
        raise UserMistake(
            f"ENV: expected the name of an environment in AWS, got {options.env or 'nothing'}: make config ENV=test "
            "(compose mounts config/, and reads it anew within 10 s)"
        )
    document = read_config_file(options.file)
    config = parse_alerts_config(document.text, document.place)
    _say(output, f"{options.file} is right: {len(config.labels)} labels, {len(config.channels)} channels")
    environment = find_environment(options.env, environ)
    _put(environment, environment.export(BUCKET_OUTPUT), document.text.encode(), output)
    if options.restart:
        _restart_readers(environment, output)
    else:
        _say(output, "classifier and notifier look for it every 10 s (CONFIG_RELOAD_SECONDS), and say so in their logs")
    return 0


def _put(environment: Environment, bucket: str, content: bytes, output: TextIO) -> None:
    s3 = environment.client("s3")
    place = f"s3://{bucket}/{CONFIG_KEY}"
    before: S3Object | None
    try:
        before = read_s3_object(s3, bucket, CONFIG_KEY, LIMIT)
    except NotThere:
        before = None
    if before and before.content == content:
        _say(output, f"{place} is the same already: {before.version}")
        return
    response = s3.put_object(
        Bucket=bucket,
        Key=CONFIG_KEY,
        Body=content,
        ContentType="application/yaml",
        # S3 computes it too, and refuses what was changed on its way
        ChecksumAlgorithm="SHA256",
    )
    earlier = f"differs from {before.version}" if before else "the first one there"
    _say(output, f"{place} put: version {response.get('VersionId', 'none')}, {earlier}")


def _restart_readers(environment: Environment, output: TextIO) -> None:
    services = find_services(environment, READERS)
    for service in services:
        restart(environment, service)
        _say(output, f"{service.name} restarts: copilot svc status --name {service.name} --env {environment.name}")
    for name in READERS:
        if name not in {service.name for service in services}:
            _say(output, f"{name} reads it when it is deployed: {environment.place} has no ECS service of that tag")


def _say(output: TextIO, text: str) -> None:
    output.write(text + "\n")
    output.flush()


if __name__ == "__main__":
    main()
