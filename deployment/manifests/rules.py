"""What must hold between the fields of a service's manifest, and between it and the workspace.

Copilot lets most of it pass and AWS refuses it in the middle of a deploy.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deployment.manifests.backend_service import Count, Platform, Range, ServiceFields
from deployment.manifests.containers import Build, HealthCheck, Image, Logging, Sidecar, SidecarImage
from deployment.manifests.values import SecretFrom, Secrets

#: MiB of memory that Fargate allows with CPU units ("Amazon ECS task definition parameters for Fargate", Task size).
FARGATE_MEMORY: Mapping[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
WINDOWS_CPU = (1024, 2048, 4096)
#: What Copilot takes where the manifest says nothing.
DEFAULT_CPU, DEFAULT_MEMORY = 256, 512
#: Seconds, from and to (HealthCheck, Amazon ECS API Reference).
HEALTH_CHECK_SECONDS = {"interval": (5, 300), "timeout": (2, 60), "start_period": (0, 300)}
MEASURES = ("cpu_percentage", "memory_percentage", "requests", "response_time")
_SECONDS_OF = {"h": 3600, "m": 60, "s": 1}


class BrokenRule(NamedTuple):
    """The key that is wrong, what was expected there, and what was found (None for nothing)."""

    key: str
    expected: str
    found: object


def broken_rules(service: ServiceFields, workspace: Path) -> Iterator[BrokenRule]:
    """What is wrong with a service as it is deployed; its files are looked for below the workspace's folder."""
    yield from _image_rules("image", service.image, workspace)
    if service.image is not None:
        yield from _health_check_rules("image.healthcheck", service.image.healthcheck)
    yield from _setting_rules("", service, workspace)
    yield from _size_rules(service)
    if isinstance(service.count, Count):
        yield from _count_rules(service.count)
    if service.logging is not None:
        yield from _setting_rules("logging.", service.logging, workspace)
        yield from _secret_rules("logging.secretOptions", service.logging.secret_options)
    for name, sidecar in (service.sidecars or {}).items():
        key = f"sidecars.{name}"
        if not isinstance(sidecar.image, str):
            yield from _image_rules(f"{key}.image", sidecar.image, workspace)
        yield from _health_check_rules(f"{key}.healthcheck", sidecar.healthcheck)
        yield from _setting_rules(f"{key}.", sidecar, workspace)
    for name, volume in ((service.storage and service.storage.volumes) or {}).items():
        if volume.path is None:
            yield BrokenRule(f"storage.volumes.{name}.path", "the path at which containers see it", None)
    if service.http is not None and service.http.path is None:
        yield BrokenRule("http.path", "the path of requests that the service gets", None)


def _setting_rules(prefix: str, container: ServiceFields | Sidecar | Logging, workspace: Path) -> Iterator[BrokenRule]:
    yield from _secret_rules(f"{prefix}secrets", container.secrets)
    if container.env_file is not None:
        yield from _file_rule(f"{prefix}env_file", container.env_file, workspace)


def _secret_rules(key: str, secrets: Secrets | None) -> Iterator[BrokenRule]:
    for name, secret in (secrets or {}).items():
        if isinstance(secret, SecretFrom):
            given = [source for source in ("from_cfn", "secretsmanager") if getattr(secret, source) is not None]
            if len(given) != 1:
                yield BrokenRule(f"{key}.{name}", "either from_cfn or secretsmanager", " and ".join(given) or None)


def _image_rules(key: str, image: Image | SidecarImage | None, workspace: Path) -> Iterator[BrokenRule]:
    given = [name for name in ("build", "location") if image is not None and getattr(image, name) is not None]
    if image is None or len(given) != 1:
        yield BrokenRule(key, "either build or location", " and ".join(given) or None)
    elif isinstance(image.build, Build):
        context = image.build.context
        if context is not None and not (workspace / context).is_dir():
            yield BrokenRule(f"{key}.build.context", "a folder below the workspace's root", context)
        if (dockerfile := image.build.dockerfile) is not None:
            yield from _file_rule(f"{key}.build.dockerfile", dockerfile, workspace)
        elif context is not None:
            yield from _file_rule(f"{key}.build.context", f"{context.rstrip('/')}/Dockerfile", workspace)
        else:
            yield BrokenRule(f"{key}.build", "dockerfile or context", None)
    elif image.build is not None:
        yield from _file_rule(f"{key}.build", image.build, workspace)


def _file_rule(key: str, path: str, workspace: Path) -> Iterator[BrokenRule]:
    if not (workspace / path).is_file():
        yield BrokenRule(key, "a file below the workspace's root", path)


def _health_check_rules(key: str, check: HealthCheck | None) -> Iterator[BrokenRule]:
    for name, (least, most) in HEALTH_CHECK_SECONDS.items():
        duration: str | None = getattr(check, name, None)
        if duration is not None and not least <= _seconds(duration) <= most:
            yield BrokenRule(f"{key}.{name}", f"{least}s to {most}s", duration)


def _seconds(duration: str) -> int:
    return sum(int(number) * _SECONDS_OF[unit] for number, unit in re.findall(r"(\d+)([hms])", duration))


def _size_rules(service: ServiceFields) -> Iterator[BrokenRule]:
    cpu, memory = service.cpu or DEFAULT_CPU, DEFAULT_MEMORY if service.memory is None else service.memory
    allowed = FARGATE_MEMORY[cpu]
    if memory not in allowed:
        steps = f"{allowed[0]} to {allowed[-1]} MiB in steps of {allowed[-1] - allowed[-2]}"
        told = steps if isinstance(allowed, range) else f"{', '.join(map(str, allowed))} MiB"
        yield BrokenRule("memory", f"{told} with {cpu} CPU units", memory)
    system: str | None
    if isinstance(service.platform, Platform):
        system = service.platform.osfamily
        if system is None or service.platform.architecture is None:
            yield BrokenRule("platform", "both osfamily and architecture", system or service.platform.architecture)
    else:
        system = service.platform
    if system is not None and system.startswith("windows") and cpu not in WINDOWS_CPU:
        yield BrokenRule("cpu", "1024, 2048 or 4096 CPU units with Windows", cpu)


def _count_rules(count: Count) -> Iterator[BrokenRule]:
    measures = [name for name in MEASURES if getattr(count, name) is not None]
    scaling = (["range"] if count.range is not None else []) + measures
    if count.spot is not None and scaling:
        yield BrokenRule("count", "either spot or a range with its measures", f"spot and {', '.join(scaling)}")
    if count.range is None and (measures or count.cooldown is not None):
        yield BrokenRule("count.range", "the range that tasks are scaled in", None)
    if count.range is not None and not measures:
        yield BrokenRule("count", f"a measure to scale by ({', '.join(MEASURES)}) beside the range", None)
    for name in measures:
        measure = getattr(count, name)
        if not isinstance(measure, int | str) and measure.value is None:
            yield BrokenRule(f"count.{name}.value", "the value to hold on to", None)
    yield from _range_rules(count.range)


def _range_rules(range_: str | Range | None) -> Iterator[BrokenRule]:
    if range_ is None:
        return
    if isinstance(range_, str):
        least, _, most = range_.partition("-")
        in_order = int(least) <= int(most)
    elif range_.min is None or range_.max is None:
        alone = "min" if range_.min is not None else "max" if range_.max is not None else None
        yield BrokenRule("count.range", "both min and max", alone)
        return
    else:
        in_order, least, most = range_.min <= range_.max, str(range_.min), str(range_.max)
    if not in_order:
        yield BrokenRule("count.range", "the smaller number first", f"{least}-{most}")
