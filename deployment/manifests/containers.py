"""What a Backend Service's manifest says of containers: the service's own and its sidecars."""

from typing import Annotated, Literal

import msgspec

from deployment.manifests.values import (
    Arn,
    CommandLine,
    ContainerPath,
    Duration,
    EnvFile,
    Flag,
    FromStack,
    Labels,
    Port,
    RetentionDays,
    Scalar,
    Secrets,
    Section,
    Text,
    Variables,
    Whole,
    Words,
    WorkspacePath,
)

DependsOn = dict[
    str,
    Annotated[
        Literal["start", "healthy", "complete", "success"], msgspec.Meta(title="start, healthy, complete or success")
    ],
]
PortAndProtocol = Annotated[str, msgspec.Meta(pattern=r"^\d{1,5}(/(tcp|udp))?$", title="a port such as 80 or 53/udp")]


class Build(Section, frozen=True):
    """How an image is built."""

    dockerfile: WorkspacePath | None = None
    context: WorkspacePath | None = None
    target: Text | None = None
    cache_from: Words | None = None
    args: dict[str, Scalar] | None = None


class HealthCheck(Section, frozen=True):
    """How ECS finds out whether a container is well. What is left out has Copilot's defaults."""

    command: Words | None = None
    interval: Duration | None = None
    timeout: Duration | None = None
    #: HealthCheck (Amazon ECS API Reference).
    retries: Annotated[int, msgspec.Meta(ge=1, le=10, title="a whole number from 1 to 10")] | None = None
    start_period: Duration | None = None


class SidecarImage(Section, frozen=True):
    """A sidecar's image; credentials, labels and so on stand beside it, not in it."""

    build: WorkspacePath | Build | None = None
    location: Text | None = None


class Image(Section, frozen=True):
    """The image of the service's own container."""

    build: WorkspacePath | Build | None = None
    location: Text | None = None
    credentials: Arn | None = None
    labels: Labels | None = None
    depends_on: DependsOn | None = None
    port: Port | None = None
    healthcheck: HealthCheck | None = None


class MountPoint(Section, frozen=True):
    """Where a sidecar sees one of the service's volumes."""

    source_volume: Text
    path: ContainerPath
    read_only: Flag | None = None


class Sidecar(Section, frozen=True):
    """A container beside the service's own."""

    image: Text | SidecarImage | None = None
    port: Port | PortAndProtocol | None = None
    essential: Flag | None = None
    credentials_parameter: Arn | None = msgspec.field(default=None, name="credentialsParameter")
    variables: Variables | None = None
    env_file: EnvFile | None = None
    secrets: Secrets | None = None
    mount_points: list[MountPoint] | None = None
    labels: Labels | None = None
    depends_on: DependsOn | None = None
    healthcheck: HealthCheck | None = None
    entrypoint: CommandLine | None = None
    command: CommandLine | None = None


class EfsAuthorization(Section, frozen=True):
    """Who may use a file system."""

    iam: Flag | None = None
    access_point_id: Text | None = None


class Efs(Section, frozen=True):
    """A file system of one's own by its id, or a user of the one that Copilot makes."""

    id: Text | FromStack | None = None
    root_dir: ContainerPath | None = None
    auth: EfsAuthorization | None = None
    uid: Whole | None = None
    gid: Whole | None = None


class Volume(Section, frozen=True):
    """A directory that containers share, on EFS or with the task's life."""

    path: ContainerPath | None = None
    read_only: Flag | None = None
    efs: Flag | Efs | None = None


class Storage(Section, frozen=True):
    """The task's disks; ``ephemeral`` in GiB."""

    ephemeral: Annotated[int, msgspec.Meta(ge=20, le=200, title="a whole number from 20 to 200")] | None = None
    readonly_fs: Flag | None = None
    volumes: dict[str, Volume] | None = None


class Logging(Section, frozen=True):
    """Where the containers' output goes: CloudWatch Logs for ``retention`` days, the rest is FireLens's."""

    retention: RetentionDays | None = None
    image: Text | None = None
    destination: dict[str, Scalar] | None = None
    enable_metadata: Flag | None = msgspec.field(default=None, name="enableMetadata")
    secret_options: Secrets | None = msgspec.field(default=None, name="secretOptions")
    config_file_path: Text | None = msgspec.field(default=None, name="configFilePath")
    variables: Variables | None = None
    secrets: Secrets | None = None
    env_file: EnvFile | None = None
