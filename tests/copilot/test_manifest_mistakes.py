"""What is wrong with a manifest beside misspelled keys, each told in one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import inspect

from deployment.manifests import read_manifest
from deployment.manifests.rules import FARGATE_MEMORY
from deployment.manifests.values import RetentionDays
from tests.support.manifests import members, mistake_in, write

SERVICE = """\
name: api
type: Backend Service
image:
  build: {dockerfile: api/Dockerfile, context: .}
  port: 80
  healthcheck: {command: [CMD, check], interval: 10s, timeout: 5s}
cpu: 256
memory: 512
platform: linux/x86_64
count: 1
exec: false
variables:
  LOG_LEVEL: INFO
  QUEUE_URL: {from_cfn: app-test-QueueUrl}
secrets:
  TOKEN: /app/token
network: {vpc: {placement: private}}
logging: {retention: 30}
deployment: {rolling: recreate}
environments:
  test: {exec: true}
"""
ENVIRONMENT = """\
name: test
type: Environment
network: {vpc: {flow_logs: true}}
observability: {container_insights: true}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a service, an environment and the service's Dockerfile."""
    write(tmp_path / "api/Dockerfile", "")
    write(tmp_path / "copilot/api/manifest.yml", SERVICE)
    write(tmp_path / "copilot/environments/test/manifest.yml", ENVIRONMENT)
    return tmp_path


IMAGE = "  build: {dockerfile: api/Dockerfile, context: .}"
COUNT_KEYS = "spot, range, cooldown, cpu_percentage, memory_percentage, requests, response_time"
MEASURES = "cpu_percentage, memory_percentage, requests, response_time"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        # wrong types and values
        ("cpu: 256", "cpu: '256'", "cpu: expected 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units, got '256'"),
        ("cpu: 256", "cpu: 300", "cpu: expected 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units, got 300"),
        ("memory: 512", "memory: 0.5", "memory: expected a whole number from 0 up, got 0.5"),
        ("port: 80", "port: 70000", "image.port: expected a port from 1 to 65535, got 70000"),
        ("exec: false", "exec: 'no'", "exec: expected true or false, got 'no'"),
        ("exec: false", "exec: {enable: false}", "exec: expected true or false, got {'enable': False}"),
        ("placement: private", "placement: hidden", "network.vpc.placement: expected public or private, or the keys"),
        ("rolling: recreate", "rolling: canary", "deployment.rolling: expected default or recreate, got 'canary'"),
        ("retention: 30", "retention: 31", "logging.retention: expected a number of days that CloudWatch Logs knows"),
        ("linux/x86_64", "linux/x86", "platform: expected linux/x86_64, linux/amd64, linux/arm64, linux/arm, windows/"),
        ("interval: 10s", "interval: 10", "image.healthcheck.interval: expected a duration of whole seconds such as"),
        ("interval: 10s", "interval: ''", "image.healthcheck.interval: expected a duration of whole seconds such as 3"),
        ("interval: 10s", "interval: 500ms", "image.healthcheck.interval: expected a duration of whole seconds such"),
        ("count: 1", "count: many", f"count: expected a whole number from 0 up, or the keys {COUNT_KEYS}, got 'many'"),
        ("count: 1", "count: {queue_delay: {}}", f"count: expected one of the keys {COUNT_KEYS}, got 'queue_delay'"),
        ("LOG_LEVEL: INFO", "LOG_LEVEL: [INFO]", "variables.LOG_LEVEL: expected a text, a number, or true or false, o"),
        ("LOG_LEVEL: INFO", "LOG_LEVEL:", "variables.LOG_LEVEL: expected a text, a number, or true or false, or the"),
        ("from_cfn: app-test-QueueUrl", "from_cfn: 3", "variables.QUEUE_URL.from_cfn: expected the name of a stack's"),
        ("app-test-QueueUrl", "app_test_QueueUrl", "variables.QUEUE_URL.from_cfn: expected the name of a stack's expo"),
        ("TOKEN: /app/token", "TOKEN: AAAA%3Dsecret", "secrets.TOKEN: expected an SSM parameter's name, or the ARN of"),
        ("TOKEN: /app/token", "TOKEN: [/app/token]", "secrets.TOKEN: expected an SSM parameter's name, or the ARN of"),
        ("exec: true", "exec: 3", "environments.test.exec: expected true or false, got 3"),
        # what one service may be, and where
        ("name: api", "name: apis", "name: expected the folder's name 'api', got 'apis'"),
        ("Backend Service", "Worker Service", "type: expected Backend Service, got 'Worker Service'"),
        ("name: api\n", "", "name: expected a text that is not empty, got nothing"),
        ("{exec: true}", "{name: api}", "environments.test: expected one of the keys image, entrypoint, command, http"),
        ("  test:", "  tset:", "environments: expected an environment of the workspace (test), got 'tset'"),
        # alarms
        (
            "rolling: recreate",
            "rollback_alarms: {messages_delayed: 5}",
            "deployment.rollback_alarms: expected one of the keys cpu_utilization, memory_utilization, "
            "got 'messages_delayed'",
        ),
        (
            "rolling: recreate",
            "rollback_alarms: {cpu_utilization: 150}",
            "deployment.rollback_alarms.cpu_utilization: expected a number above 0, up to 100, got 150",
        ),
        ("rolling: recreate", "rollback_alarms: []", "deployment.rollback_alarms: expected a list of texts, or the ke"),
        # CPU and memory
        ("memory: 512", "memory: 3072", "memory: expected 512, 1024, 2048 MiB with 256 CPU units, got 3072"),
        (
            "cpu: 256",
            "cpu: 1024",
            "memory: expected 2048 to 8192 MiB in steps of 1024 with 1024 CPU units, got 512",
        ),
        (
            "{exec: true}",
            "{cpu: 512}",
            "environments.test.memory: expected 1024 to 4096 MiB in steps of 1024 with 512 CPU units, got 512",
        ),
        ("memory: 512\n", "", None),
        (
            "cpu: 256\nmemory: 512\n",
            "cpu: 8192\n",
            "memory: expected 16384 to 61440 MiB in steps of 4096 with 8192 CPU units, got 512",
        ),
        ("linux/x86_64", "windows/x86_64", "cpu: expected 1024, 2048 or 4096 CPU units with Windows, got 256"),
        ("platform: linux/x86_64", "platform: {osfamily: linux}", "platform: expected both osfamily and architecture"),
        # how many tasks
        ("count: 1", "count: {range: 1-5}", f"count: expected a measure to scale by ({MEASURES}) beside the range, go"),
        ("count: 1", "count: {cpu_percentage: 70}", "count.range: expected the range that tasks are scaled in, got no"),
        ("count: 1", "count: {range: 5-1, cpu_percentage: 70}", "count.range: expected the smaller number first, got "),
        ("count: 1", "count: {range: 10-9, cpu_percentage: 70}", "count.range: expected the smaller number first, got"),
        ("count: 1", "count: {range: {min: 3, max: 2}, requests: 7}", "count.range: expected the smaller number first"),
        ("count: 1", "count: {range: {max: 2}, requests: 7}", "count.range: expected both min and max, got 'max'"),
        ("count: 1", "count: {range: 1 to 5, requests: 7}", "count.range: expected two whole numbers such as 1-10, or"),
        (
            "count: 1",
            "count: {range: 1-5, cpu_percentage: 700}",
            "count.cpu_percentage: expected a whole number from 0",
        ),
        (
            "count: 1",
            "count: {range: 1-5, cpu_percentage: {cooldown: {in: 9s}}}",
            "count.cpu_percentage.value: expected the value to hold on to, got nothing",
        ),
        (
            "count: 1",
            "count: {spot: 1, range: 1-2}",
            "count: expected either spot or a range with its measures, got 'spot and range'",
        ),
        ("{exec: true}", "{count: {range: 1-5}}", "environments.test.count: expected a measure to scale by"),
        # health checks that ECS refuses
        ("interval: 10s", "interval: 4s", "image.healthcheck.interval: expected 5s to 300s, got '4s'"),
        ("timeout: 5s", "timeout: 1m1s", "image.healthcheck.timeout: expected 2s to 60s, got '1m1s'"),
        ("timeout: 5s", "start_period: 1h", "image.healthcheck.start_period: expected 0s to 300s, got '1h'"),
        # images and files
        (f"{IMAGE}\n", "", "image: expected either build or location, got nothing"),
        (IMAGE, f"{IMAGE}\n  location: nginx", "image: expected either build or location, got 'build and location'"),
        (
            "api/Dockerfile",
            "api/Dokerfile",
            "image.build.dockerfile: expected a file below the workspace's root, got 'api/Dokerfile'",
        ),
        (
            "context: .",
            "context: apis",
            "image.build.context: expected a folder below the workspace's root, got 'apis'",
        ),
        (
            IMAGE,
            "  build: {context: .}",
            "image.build.context: expected a file below the workspace's root, got './Dock",
        ),
        (IMAGE, "  build: {context: api}", None),
        (IMAGE, "  build: api", "image.build: expected a file below the workspace's root, got 'api'"),
        (IMAGE, "  build: api/Dockerfile", None),
        (IMAGE, "  build: {target: x}", "image.build: expected dockerfile or context, got nothing"),
        ("api/Dockerfile", "/api/Dockerfile", "image.build.dockerfile: expected a path that starts at the workspace's"),
        ("{exec: true}", "{image: {build: x}}", "environments.test.image.build: expected a file below the workspace's"),
        ("{exec: true}", "{image: {location: nginx}}", None),
        ("{exec: true}", "", None),
        ("exec: false", "env_file: api/.env", "env_file: expected a file below the workspace's root, got 'api/.env'"),
        ("retention: 30", "env_file: x.env", "logging.env_file: expected a file below the workspace's root"),
        ("exec: false", "env_file: api/env", "env_file: expected a .env file's path from the workspace's root, got 'a"),
        # secrets by other names than their own
        ("TOKEN: /app/token", "TOKEN: {}", "secrets.TOKEN: expected either from_cfn or secretsmanager, got nothing"),
        (
            "TOKEN: /app/token",
            "TOKEN: {from_cfn: a, secretsmanager: b}",
            "secrets.TOKEN: expected either from_cfn or secretsmanager, got 'from_cfn and secretsmanager'",
        ),
        (
            "retention: 30",
            "secretOptions: {KEY: {}}",
            "logging.secretOptions.KEY: expected either from_cfn or secretsmanager, got nothing",
        ),
        # sidecars, volumes, load balancer
        ("count: 1", "sidecars: {proxy: {port: 80}}", "sidecars.proxy.image: expected either build or location, got n"),
        (
            "count: 1",
            "sidecars: {proxy: {image: nginx, healthcheck: {interval: 1s}}}",
            "sidecars.proxy.healthcheck.interval: expected 5s to 300s, got '1s'",
        ),
        (
            "count: 1",
            "sidecars: {proxy: {image: nginx, env_file: x.env}}",
            "sidecars.proxy.env_file: expected a file below the workspace's root, got 'x.env'",
        ),
        ("count: 1", "sidecars: {proxy: {image: {build: x}}}", "sidecars.proxy.image.build: expected a file below the"),
        ("count: 1", "storage: {volumes: {data: {efs: true}}}", "storage.volumes.data.path: expected the path at whic"),
        ("count: 1", "http: {stickiness: true}", "http.path: expected the path of requests that the service gets, got"),
        ("count: 1", "http: {path: /, redirect_to_https: true}", "http: expected one of the keys path, healthcheck, d"),
        # not even a manifest
        ("name: api", "name: [api", "line 2: expected YAML, got: "),
        ("name: api", "name: api\nname: api", 'line 2: expected each key once, got: found duplicate key "name"'),
        ("name: api", "name: 2026-13-01", "expected YAML, got: month must be in 1..12"),
        (SERVICE, "", "the file: expected the keys image, entrypoint, command, http"),
    ],
)
def test_a_mistake_is_one_line(old: str, new: str, line: str | None, workspace: Path) -> None:
    assert old in SERVICE
    path = workspace / "copilot/api/manifest.yml"
    write(path, SERVICE.replace(old, new, 1))
    if line is None:
        read_manifest(path)
    else:
        assert mistake_in(path).startswith(line)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("name: test", "name: tset", "name: expected the folder's name 'test', got 'tset'"),
        ("Environment", "Backend Service", "type: expected Environment, got 'Backend Service'"),
        ("container_insights: true", "container_insights: on", "observability.container_insights: expected true or f"),
        ("flow_logs: true", "flow_logs: {retention: 2}", "network.vpc.flow_logs.retention: expected a number of days"),
        ("flow_logs: true", "flow_logs: all", "network.vpc.flow_logs: expected true or false, or the keys retention"),
        ("flow_logs: true", "cidr: 10.0.0.0", "network.vpc.cidr: expected a range of IPv4 addresses such as 10.0.0.0/"),
    ],
)
def test_so_is_one_of_an_environment(old: str, new: str, line: str, workspace: Path) -> None:
    assert old in ENVIRONMENT
    path = workspace / "copilot/environments/test/manifest.yml"
    write(path, ENVIRONMENT.replace(old, new, 1))
    assert mistake_in(path).startswith(line)


@pytest.mark.parametrize(
    "place", ["secrets:", "logging: {secretOptions: {", "sidecars: {proxy: {image: nginx, secrets: {"]
)
def test_what_may_be_a_secret_is_not_repeated(place: str, workspace: Path) -> None:
    path = workspace / "copilot/api/manifest.yml"
    manifest = "name: api\ntype: Backend Service\nimage: {location: nginx}\n"
    inner = " {TOKEN: 'AAAA%3Dsecret'}" if place.endswith(":") else "TOKEN: 'AAAA%3Dsecret'" + "}" * place.count("{")
    write(path, manifest + place + inner)
    assert mistake_in(path).endswith(", got something else (not shown: it may be the secret itself)")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    assert mistake_in(tmp_path / "manifest.yml") == "expected a readable file, got: No such file or directory"
    (tmp_path / "manifest.yml").write_bytes("name: Gerät".encode("latin-1"))
    assert mistake_in(tmp_path / "manifest.yml") == "expected a readable file, got: not UTF-8"


def test_sizes_and_days_are_those_that_cfn_lint_knows(tmp_path: Path) -> None:
    template = tmp_path / "template.json"
    sizes = [(cpu, memory) for cpu in FARGATE_MEMORY for memory in sorted({*around(cpu), 512, 1024, 4096, 20480})]
    container = {"Name": "main", "Image": "image"}
    task: dict[str, Any] = {"RequiresCompatibilities": ["FARGATE"], "ContainerDefinitions": [container]}
    resources: dict[str, Any] = {
        f"Task{cpu}x{memory}": {
            "Type": "AWS::ECS::TaskDefinition",
            "Properties": task | {"NetworkMode": "awsvpc", "Cpu": str(cpu), "Memory": str(memory)},
        }
        for cpu, memory in sizes
    }
    days = [*known_days(), *(day + 1 for day in known_days())]
    resources |= {f"Log{day}": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": day}} for day in days}
    write(template, json.dumps({"Resources": resources}))
    cfn_lint = Path(sys.executable).parent / "cfn-lint"
    command = [str(cfn_lint), "--region", "eu-west-1", "--format", "json", str(template)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    found = {(match["Rule"]["Id"], match["Location"]["Path"][1]) for match in json.loads(done.stdout)}
    impossible = {("E3047", f"Task{cpu}x{memory}") for cpu, memory in sizes if memory not in FARGATE_MEMORY[cpu]}
    unknown = {("E3030", f"Log{day}") for day in days if day not in known_days()}
    assert impossible
    assert unknown
    assert found == impossible | unknown


def around(cpu: int) -> set[int]:
    """Sizes in MiB at and beside the ends of what is allowed."""
    allowed = FARGATE_MEMORY[cpu]
    return {*allowed[:2], *allowed[-2:], allowed[0] - 512, allowed[0] + 512, allowed[-1] + 1024}


def known_days() -> list[int]:
    literal = next(members(inspect.type_info(RetentionDays)))
    assert isinstance(literal, inspect.LiteralType)
    return [day for day in literal.values if isinstance(day, int)]
