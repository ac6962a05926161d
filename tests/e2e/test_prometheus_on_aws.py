"""The Prometheus image that is deployed to AWS: it finds the tasks by the names that AWS Cloud Map gives them."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.compose_system import SERVICES, eventually
from tests.support.docker_engine import require_docker

DOMAIN = "test.tweet-alerts.local"
#: Answers like a service's telemetry port, as far as Prometheus asks.
TASK = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"up_and_scraped 1\\n")

HTTPServer(("", 9100), Metrics).serve_forever()
"""


def docker(*arguments: str) -> str:
    done = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image() -> str:
    require_docker()
    name = "tweet-alerts/prometheus"
    docker("build", "--quiet", "--file", "monitoring/prometheus/Dockerfile", "--tag", name, ".")
    return name


@pytest.fixture
def query(image: str) -> Iterator[Callable[[str], list[dict[str, str]]]]:
    """Labels of what a query finds, with a task of each service on a network that names them as Cloud Map does."""
    run = f"prometheus-on-aws-{uuid.uuid4().hex[:8]}"
    names = [name for service in SERVICES for name in ("--network-alias", f"{service}.{DOMAIN}")]
    docker("network", "create", run)
    try:
        docker(
            *("run", "--detach", "--name", f"{run}-task", "--network", run, *names),
            *("python:3.13-slim-trixie", "python", "-c", TASK),
        )
        docker(
            *("run", "--detach", "--name", run, "--network", run, "--cap-drop=ALL"),
            *("--env", f"COPILOT_SERVICE_DISCOVERY_ENDPOINT={DOMAIN}", image),
        )

        def ask(expression: str) -> list[dict[str, str]]:
            command = ["docker", "exec", run, "promtool", "query", "instant", "--format=json"]
            done = subprocess.run(
                [*command, "http://localhost:9090", expression], capture_output=True, text=True, check=False, timeout=60
            )
            return [series["metric"] for series in json.loads(done.stdout or "[]")]

        yield ask
    finally:
        subprocess.run(["docker", "rm", "--force", run, f"{run}-task"], capture_output=True, check=False, timeout=60)
        docker("network", "rm", run)


def test_the_tasks_are_found_under_their_services_names(query: Callable[[str], list[dict[str, str]]]) -> None:
    def scraped() -> list[str]:
        return sorted(labels.get("service", "") for labels in query("up_and_scraped"))

    eventually(lambda: scraped() == sorted(SERVICES), 60, lambda: str(scraped()))
    assert {labels["job"] for labels in query("up_and_scraped")} == {"services"}


def test_it_says_what_it_misses_where_it_is_not_told_the_domain(image: str) -> None:
    done = subprocess.run(["docker", "run", "--rm", image], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "COPILOT_SERVICE_DISCOVERY_ENDPOINT: expected the domain of the tasks" in done.stderr


def test_the_rules_are_those_of_compose(image: str) -> None:
    rules = docker("run", "--rm", "--entrypoint", "cat", image, "/etc/prometheus/rules.yml")
    assert rules == Path("monitoring/prometheus/rules.yml").read_text().strip()
