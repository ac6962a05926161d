"""`make templates` as a command: it names its files, and each mistake in one line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployment.templates.__main__ import main

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of the repository's own, to be changed."""
    shutil.copytree(REPOSITORY / "copilot", tmp_path / "workspace/copilot")
    return tmp_path / "workspace"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["templates", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command_prints_each_file_that_it_writes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deployment.templates", f"--output={tmp_path}"]
    command += ["--registry=registry.example/images/", "--tag=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=REPOSITORY)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == sorted(str(file) for file in tmp_path.rglob("*.*"))
    told = json.loads((tmp_path / "prod/parameters/tweet-alerts-prod-monitoring.json").read_text())
    assert {
        "ContainerImage=registry.example/images/prometheus:1",
        "GrafanaImage=registry.example/images/grafana:1",
    } < set(told)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("notifier/manifest.yml", "count: 1", "count: many", "copilot svc package --name notifier --env prod: "),
        ("notifier/manifest.yml", "name: notifier", "name: [", "copilot/notifier/manifest.yml: line "),
        (".workspace", "application", "app", "copilot/.workspace: application: expected a text"),
    ],
)
def test_a_mistake_in_the_workspace_is_one_line(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str,
    new: str,
    expected: str,
) -> None:
    changed = workspace / "copilot" / file
    assert old in changed.read_text()
    changed.write_text(changed.read_text().replace(old, new))
    assert run(monkeypatch, f"--workspace={workspace}", f"--output={tmp_path / 'plain'}") == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("templates: ")
    assert expected in err
    assert not (tmp_path / "plain").exists()


def test_a_missing_copilot_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(monkeypatch, f"--output={tmp_path / 'plain'}") == 2
    assert capsys.readouterr().err.startswith("templates: copilot: expected AWS Copilot's program at ")


def test_a_place_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run(monkeypatch, f"--output={tmp_path / 'file'}") == 2
    expected = f"templates: {tmp_path}/file/prod: expected a place to write to, got: Not a directory\n"
    assert capsys.readouterr().err == expected


def test_a_tag_without_a_registry_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--tag=1") == 2
    assert capsys.readouterr().err == "templates: REGISTRY, TAG: expected both or none, got '1' alone\n"
