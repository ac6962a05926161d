"""The files of `make templates`: templates, and beside them what `aws cloudformation deploy` is to be told."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployment.copilot_package import PackagedEnvironment, PackagedService, PackagedWorkspace
from deployment.templates.copilot import features
from deployment.templates.environment import make_environment_plain
from deployment.templates.images import Images, Repositories
from deployment.templates.registry import registry
from deployment.templates.service import make_service_plain
from deployment.templates.template import Template
from pipeline.errors import UserMistake


def write_templates(packaged: PackagedWorkspace, output: Path, images: Images | None) -> list[Path]:
    """Writes all files, registry.yml and a folder for each environment, and gives their paths in order.

    Without ``images`` the parameters of images stay empty, which the templates refuse. Raises UserMistake for what
    plain templates cannot express, and OSError where ``output`` cannot be written.
    """
    writer = _Writer(packaged.application, output, images)
    for name, environment in packaged.environments.items():
        writer.write_environment(name, environment)
    writer.write("registry.yml", registry(packaged.application, writer.repositories), "the manifests in copilot/")
    return writer.written


class _Writer:
    def __init__(self, application: str, output: Path, images: Images | None) -> None:
        self.written: list[Path] = []
        self.repositories = Repositories()
        self._application = application
        self._output = output
        self._images = images

    def write_environment(self, name: str, environment: PackagedEnvironment) -> None:
        services = {service: Template(_text(files.template)) for service, files in environment.services.items()}
        asked: dict[str, list[str]] = defaultdict(list)
        for service, template in services.items():
            for parameter in features(template):
                asked[parameter].append(service)
        told = json.loads(_text(environment.parameters))
        addons = "environment-addons.yml" if environment.addons else None
        template = Template(_text(environment.template))
        make_environment_plain(template, told["Parameters"], asked, name, addons)
        source = f"copilot/environments/{name}/manifest.yml"
        stack = f"{self._application}-{name}"
        self._write_stack(f"{name}/environment.yml", template, source, stack, told, {})
        self._write_addons(f"{name}/{addons}", environment.addons, "copilot/environments/addons")
        for service, files in environment.services.items():
            self._write_service(name, service, files, services[service])

    def _write_service(self, environment: str, name: str, files: PackagedService, template: Template) -> None:
        manifest = template.manifest
        told = json.loads(_text(files.parameters))
        addons = f"{name}-addons.yml" if files.addons else None
        make_service_plain(template, told["Parameters"], manifest, name, addons)
        source = f"copilot/{name}/manifest.yml"
        repositories = self.repositories.of(template, manifest, source)
        stack = f"{self._application}-{environment}-{name}"
        self._write_stack(f"{environment}/{name}.yml", template, source, stack, told, repositories)
        self._write_addons(f"{environment}/{addons}", files.addons, f"copilot/{name}/addons")

    def _write_stack(
        self,
        file: str,
        template: Template,
        source: str,
        stack: str,
        told: Mapping[str, Any],
        repositories: Mapping[str, str],
    ) -> None:
        self.write(file, template.text(), source)
        values = {**told["Parameters"], **{name: self._image(repository) for name, repository in repositories.items()}}
        folder = file.partition("/")[0]
        self._write_pairs(f"{folder}/parameters/{stack}.json", {name: values[name] for name in template.parameters})
        self._write_pairs(f"{folder}/tags/{stack}.json", told["Tags"])

    def _write_addons(self, file: str, addons: Path | None, source: str) -> None:
        if addons is not None:
            self.write(file, _text(addons), source)

    def _write_pairs(self, file: str, values: Mapping[str, str]) -> None:
        self._put(file, json.dumps([f"{name}={value}" for name, value in values.items()], indent=2) + "\n")

    def _image(self, repository: str) -> str:
        return self._images.name(repository) if self._images else ""

    def write(self, file: str, template: str, source: str) -> None:
        self._put(file, f"# Made by `make templates` from {source}: change that, not this.\n{template}")

    def _put(self, file: str, text: str) -> None:
        path = self._output / file
        if path in self.written:
            raise UserMistake(f"copilot/: expected one thing that is written to {file}, found two")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        self.written.append(path)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
