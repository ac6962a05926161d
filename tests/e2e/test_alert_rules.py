"""Prometheus' and Alertmanager's own tools on their configuration, in the images that compose.yaml runs."""

import re
from pathlib import Path

import pytest

from tests.support.docker_engine import require_docker, run_in_image

PROMETHEUS = {Path("monitoring/prometheus"): "/etc/prometheus"}
ALERTMANAGER = {Path("monitoring/alertmanager"): "/etc/alertmanager"}


def image(service: str) -> str:
    """The image of compose.yaml, so that what is checked is what runs."""
    found = re.search(rf"^    image: (prom/{service}:\S+)$", Path("compose.yaml").read_text(), flags=re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "/etc/prometheus/prometheus.yml"],
        ["check", "rules", "--lint=all", "--lint-fatal", "/etc/prometheus/rules.yml"],
        ["test", "rules", "/etc/prometheus/rules_test.yml"],
    ],
    ids=["config", "rules", "tests of the rules"],
)
def test_promtool_accepts(arguments: list[str]) -> None:
    require_docker(image("prometheus"))
    done = run_in_image(image("prometheus"), "promtool", arguments, PROMETHEUS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_refuses_a_rule_that_does_not_fire_as_its_test_says(tmp_path: Path) -> None:
    require_docker(image("prometheus"))
    rules = Path("monitoring/prometheus/rules.yml").read_text()
    (tmp_path / "rules.yml").write_text(rules.replace("stream_getter_stream_up) == 0", "stream_getter_stream_up) == 2"))
    (tmp_path / "rules_test.yml").write_text(Path("monitoring/prometheus/rules_test.yml").read_text())
    tmp_path.chmod(0o755)  # the tool runs as another user
    done = run_in_image(image("prometheus"), "promtool", ["test", "rules", "/r/rules_test.yml"], {tmp_path: "/r"})
    assert done.returncode == 1
    assert "StreamDown" in done.stdout + done.stderr


def test_amtool_accepts_the_configuration() -> None:
    require_docker(image("alertmanager"))
    arguments = ["check-config", "/etc/alertmanager/alertmanager.yml"]
    done = run_in_image(image("alertmanager"), "amtool", arguments, ALERTMANAGER)
    assert done.returncode == 0, done.stdout + done.stderr
