"""The manifest of a Backend Service."""

from typing import Annotated, Any, Literal

import msgspec

from deployment.manifests.containers import Image, Logging, Sidecar, Storage
from deployment.manifests.http import Http
from deployment.manifests.values import (
    CommandLine,
    Duration,
    EnvFile,
    Flag,
    FromStack,
    NumberRange,
    Percentage,
    Secrets,
    Section,
    Text,
    Variables,
    Whole,
    Words,
)

#: "Amazon ECS task definition parameters for Fargate", Task size; the memory that goes with it is the rules' concern.
Cpu = Annotated[
    Literal[256, 512, 1024, 2048, 4096, 8192, 16384],
    msgspec.Meta(title="256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units"),
]
ShortPlatform = Annotated[
    Literal["linux/x86_64", "linux/amd64", "linux/arm64", "linux/arm", "windows/x86_64", "windows/amd64"],
    msgspec.Meta(title="linux/x86_64, linux/amd64, linux/arm64, linux/arm, windows/x86_64 or windows/amd64"),
]
OsFamily = Annotated[
    Literal[
        "linux",
        "windows",
        "windows_server_2019_core",
        "windows_server_2019_full",
        "windows_server_2022_core",
        "windows_server_2022_full",
    ],
    msgspec.Meta(
        title="linux, windows, windows_server_2019_core, windows_server_2019_full, windows_server_2022_core or "
        "windows_server_2022_full"
    ),
]
Architecture = Annotated[Literal["x86_64", "amd64", "arm64", "arm"], msgspec.Meta(title="x86_64, amd64, arm64 or arm")]
Placement = Annotated[Literal["public", "private"], msgspec.Meta(title="public or private")]
Threshold = Annotated[float, msgspec.Meta(gt=0, le=100, title="a number above 0, up to 100")]
TopicName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,256}$", title="up to 256 letters, digits and _ -")]


class Platform(Section, frozen=True):
    """The operating system and processor in full."""

    osfamily: OsFamily | None = None
    architecture: Architecture | None = None


class Cooldown(Section, frozen=True):
    """How long scaling rests after it has taken tasks away (``in``) or added some (``out``)."""

    in_: Duration | None = msgspec.field(default=None, name="in")
    out: Duration | None = None


class NumberMeasure(Section, frozen=True):
    """A number that scaling holds on to, with a rest of its own."""

    value: Whole | None = None
    cooldown: Cooldown | None = None


class PercentageMeasure(NumberMeasure, frozen=True):
    """A percentage that scaling holds on to, with a rest of its own."""

    value: Percentage | None = None


class DurationMeasure(Section, frozen=True):
    """A duration that scaling holds on to, with a rest of its own."""

    value: Duration | None = None
    cooldown: Cooldown | None = None


class Range(Section, frozen=True):
    """The fewest and the most tasks, and from which number on they run on Fargate Spot."""

    min: Whole | None = None
    max: Whole | None = None
    spot_from: Whole | None = None


class Count(Section, frozen=True):
    """How many tasks, where that is more than one number.

    No ``queue_delay``: that is for Worker Services.
    """

    spot: Whole | None = None
    range: NumberRange | Range | None = None
    cooldown: Cooldown | None = None
    cpu_percentage: Percentage | PercentageMeasure | None = None
    memory_percentage: Percentage | PercentageMeasure | None = None
    requests: Whole | NumberMeasure | None = None
    response_time: Duration | DurationMeasure | None = None


class TaggedSubnets(Section, frozen=True):
    """Subnets by their tags."""

    from_tags: dict[str, Text | list[Text]]


class ChosenSubnets(Section, frozen=True):
    """Subnets by their ids or tags."""

    subnets: Words | TaggedSubnets


class SecurityGroups(Section, frozen=True):
    """Security groups, with or without the one that Copilot gives to all tasks of an environment."""

    groups: list[Text | FromStack] | None = None
    deny_default: Flag | None = None


class ServiceVpc(Section, frozen=True):
    """Where in the network tasks run."""

    placement: Placement | ChosenSubnets | None = None
    security_groups: list[Text | FromStack] | SecurityGroups | None = None


class Connect(Section, frozen=True):
    """The service's name in ECS Service Connect."""

    alias: Text


class ServiceNetwork(Section, frozen=True):
    """How the service reaches others and is reached."""

    vpc: ServiceVpc | None = None
    connect: Flag | Connect | None = None


class AlarmThresholds(Section, frozen=True):
    """Percentages from which on alarms that Copilot makes roll a deployment back."""

    cpu_utilization: Threshold | None = None
    memory_utilization: Threshold | None = None


class Deployment(Section, frozen=True):
    """How a new version takes the old one's place."""

    rolling: Annotated[Literal["default", "recreate"], msgspec.Meta(title="default or recreate")] | None = None
    rollback_alarms: Words | AlarmThresholds | None = None


class Fifo(Section, frozen=True):
    """What kind of FIFO topic."""

    content_based_deduplication: Flag


class Topic(Section, frozen=True):
    """An SNS topic that Copilot makes for the service."""

    name: TopicName
    fifo: Flag | Fifo | None = None


class Publish(Section, frozen=True):
    """What the service publishes to."""

    topics: list[Topic] | None = None


class ServiceObservability(Section, frozen=True):
    """How the service is traced."""

    tracing: Annotated[Literal["awsxray"], msgspec.Meta(title="awsxray")] | None = None


class TaskDefinitionOverride(Section, frozen=True):
    """A value put into the task definition at a path."""

    path: Text
    value: Any


class ServiceFields(Section, frozen=True):
    """All that an environment may override. A field left out there keeps the service's value.

    ``exec`` is yes or no only: Copilot's Go package takes ``enable`` below it too, but reads ``enable: false`` as yes.
    """

    image: Image | None = None
    entrypoint: CommandLine | None = None
    command: CommandLine | None = None
    http: Http | None = None
    cpu: Cpu | None = None
    memory: Whole | None = None
    platform: ShortPlatform | Platform | None = None
    count: Whole | Count | None = None
    exec: Flag | None = None
    variables: Variables | None = None
    env_file: EnvFile | None = None
    secrets: Secrets | None = None
    storage: Storage | None = None
    network: ServiceNetwork | None = None
    logging: Logging | None = None
    sidecars: dict[str, Sidecar] | None = None
    deployment: Deployment | None = None
    publish: Publish | None = None
    observability: ServiceObservability | None = None
    taskdef_overrides: list[TaskDefinitionOverride] | None = None


class BackendService(ServiceFields, frozen=True, kw_only=True):
    """The whole manifest; ``environments`` holds what is otherwise in which environment."""

    name: Text
    type: Annotated[Literal["Backend Service"], msgspec.Meta(title="Backend Service")]
    environments: dict[str, ServiceFields | None] = msgspec.field(default_factory=dict)
