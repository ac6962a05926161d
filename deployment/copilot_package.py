"""AWS Copilot's own templates of a workspace, made by its real program with no AWS account, no git and no Docker."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployment.offline_aws import OfflineAws
from pipeline.errors import UserMistake

#: Seconds for one command of Copilot's, which takes some 0.1; what lasts longer hangs.
COMMAND_SECONDS = 60.0


class CopilotRefused(Exception):
    """Copilot failed, or wrote an empty file. The message is the command and Copilot's own words."""


@dataclass(frozen=True)
class PackagedService:
    """Files of one service in one environment. ``addons`` is None where it has none."""

    template: Path
    parameters: Path
    addons: Path | None

    @property
    def templates(self) -> list[Path]:
        """The template of the stack, and of its addons."""
        return [self.template] if self.addons is None else [self.template, self.addons]


@dataclass(frozen=True)
class PackagedEnvironment:
    """Files of one environment, and its services by name. ``addons`` is None where it has none."""

    template: Path
    parameters: Path
    addons: Path | None
    services: Mapping[str, PackagedService]

    @property
    def templates(self) -> list[Path]:
        """The environment's templates, and those of its services."""
        own = [self.template] if self.addons is None else [self.template, self.addons]
        return own + [file for service in self.services.values() for file in service.templates]


@dataclass(frozen=True)
class PackagedWorkspace:
    """Everything that Copilot would deploy, by environment."""

    application: str
    environments: Mapping[str, PackagedEnvironment]

    @property
    def templates(self) -> list[Path]:
        """All templates, of stacks and addons alike."""
        return [file for environment in self.environments.values() for file in environment.templates]


def package(workspace: Path, output: Path, region: str) -> PackagedWorkspace:
    """Packages the copilot/ folder in ``workspace``, into one folder per environment in ``output``.

    Raises UserMistake where Copilot's program or the workspace's files are missing, CopilotRefused where Copilot finds
    something wrong in them, and UnknownAwsCall where it needs something of AWS that the stand-in does not know.
    """
    program = find_copilot()
    with tempfile.TemporaryDirectory() as state, OfflineAws(workspace, Path(state), region) as aws:
        copilot = _Copilot(program, workspace, aws.environment)
        environments = {}
        for environment in aws.workspace.environments:
            folder = output.absolute() / environment
            template, parameters, addons = copilot.package_environment(environment, folder)
            values = json.loads(parameters.read_text(encoding="utf-8"))["Parameters"]
            aws.deploy_environment(environment, template.read_text(encoding="utf-8"), values)
            services = {
                workload.name: copilot.package_service(workload.name, environment, folder)
                for workload in aws.workspace.workloads
            }
            environments[environment] = PackagedEnvironment(template, parameters, addons, services)
        aws.check_calls()
    return PackagedWorkspace(aws.workspace.application, environments)


def find_copilot() -> Path:
    """The program beside the running Python, where pip puts it, or else on PATH. Raises UserMistake."""
    beside = Path(sys.executable).parent / "copilot"
    found = beside if beside.is_file() else shutil.which("copilot")
    if found is None:
        raise UserMistake(f"copilot: expected AWS Copilot's program at {beside} or on PATH, found neither")
    return Path(found).absolute()


@dataclass(frozen=True)
class _Copilot:
    program: Path
    workspace: Path
    environment: Mapping[str, str]

    def package_environment(self, name: str, folder: Path) -> tuple[Path, Path, Path | None]:
        template, parameters = folder / f"{name}.env.yml", folder / f"{name}.env.params.json"
        addons = folder / "env.addons.yml"
        return self._package(["env", "package", "--name", name], template, parameters, addons)

    def package_service(self, name: str, environment: str, folder: Path) -> PackagedService:
        template, parameters = folder / f"{name}-{environment}.stack.yml", folder / f"{name}-{environment}.params.json"
        addons = folder / f"{name}.addons.stack.yml"
        command = ["svc", "package", "--name", name, "--env", environment]
        return PackagedService(*self._package(command, template, parameters, addons))

    def _package(
        self, command: list[str], template: Path, parameters: Path, addons: Path
    ) -> tuple[Path, Path, Path | None]:
        # left by an earlier run, they would pass for this one's: Copilot writes addons only where there are some
        for file in (template, parameters, addons):
            file.unlink(missing_ok=True)
        said = self._run(command, template.parent)
        written = [template, parameters, *([addons] if addons.exists() else [])]
        for file in written:
            if not file.exists() or not file.stat().st_size:
                raise CopilotRefused(f"copilot {' '.join(command)}: wrote no {file.name}: {said}")
        return template, parameters, addons if addons in written else None

    def _run(self, command: list[str], output: Path) -> str:
        called = f"copilot {' '.join(command)}"
        try:
            done = subprocess.run(  # noqa: S603 - Copilot's program, with names from the workspace's manifests
                [self.program, *command, "--output-dir", output],
                cwd=self.workspace,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CopilotRefused(f"{called}: not done after {COMMAND_SECONDS:g} s") from error
        said = done.stdout.strip()
        if done.returncode:
            raise CopilotRefused(f"{called}: {said or f'exit code {done.returncode}'}")
        return said
