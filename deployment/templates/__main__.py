"""The command behind `make templates`.

    python -m deployment.templates [--registry REGISTRY --tag TAG] [--output dist/cloudformation] [--region eu-west-1]

It needs no rights in AWS: what it writes does not depend on an account, nor on the region.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from deployment.command import exit_with
from deployment.copilot_package import CopilotRefused, PackagedWorkspace, package
from deployment.offline_aws import UnknownAwsCall
from deployment.templates.files import write_templates
from deployment.templates.images import Images
from pipeline.errors import UserMistake

_REPOSITORY = Path(__file__).parents[2]


def main() -> None:
    """Exits with 0 when all files are written, and with 2 for a mistake, in copilot/ or in the command."""
    exit_with("templates", lambda: _main(sys.argv[1:], sys.stdout))


def _main(arguments: Sequence[str], output: TextIO) -> int:
    parser = argparse.ArgumentParser(prog="templates", description="Plain CloudFormation out of copilot/.")
    parser.add_argument("--registry", default="", help="where images are: the output Registry of registry.yml's stack")
    parser.add_argument("--tag", default="", help="the images' tag; without both, parameters of images stay empty")
    parser.add_argument("--output", type=Path, default=Path("dist/cloudformation"), help="default: %(default)s")
    parser.add_argument("--region", default="eu-west-1", help="told to Copilot; templates are the same for any")
    parser.add_argument("--workspace", type=Path, default=_REPOSITORY, help="folder of copilot/ (default: this one)")
    options = parser.parse_args(arguments)
    images = _images(options.registry, options.tag)
    try:
        with tempfile.TemporaryDirectory() as folder:
            packaged = package(options.workspace, Path(folder), options.region)
            for file in _write(packaged, options.output, images):
                output.write(f"{file}\n")
    except (CopilotRefused, UnknownAwsCall) as refused:
        raise UserMistake(" ".join(str(refused).split())) from refused
    return 0


def _write(packaged: PackagedWorkspace, output: Path, images: Images | None) -> list[Path]:
    try:
        return write_templates(packaged, output, images)
    except OSError as error:
        raise UserMistake(f"{error.filename}: expected a place to write to, got: {error.strerror}") from error


def _images(registry: str, tag: str) -> Images | None:
    if bool(registry) != bool(tag):
        raise UserMistake(f"REGISTRY, TAG: expected both or none, got {registry or tag!r} alone")
    return Images(registry.rstrip("/"), tag) if registry else None


if __name__ == "__main__":
    main()
