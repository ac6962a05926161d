"""cfn-lint finds nothing in what Copilot would deploy, beyond what Copilot's own templates have by nature."""

import re
import subprocess
import sys
from pathlib import Path

from deployment.copilot_package import PackagedWorkspace

#: Of Copilot's own templates, in resources that are not made here.
COPILOTS_OWN = {
    "E3676": "an HTTPS listener without certificates, which only an application with a domain would get",
}


def cfn_lint(*arguments: str) -> str:
    """What it says; nothing where all is well."""
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--region", "eu-west-1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert not done.stderr, done.stderr
    return done.stdout


def test_our_own_templates_give_no_warning_either(packaged: PackagedWorkspace) -> None:
    addons = [path for path in packaged.templates if "addons" in path.name]
    assert len(addons) == 8
    assert cfn_lint("--template", *map(str, addons)) == ""


def test_copilots_templates_have_no_error(packaged: PackagedWorkspace, tmp_path: Path) -> None:
    stacks = [path for path in packaged.templates if "addons" not in path.name]
    assert len(stacks) == 10
    for path in stacks:
        # Copilot names a sidecar's image only when it has built it
        text = re.sub(r"^( +Image:) *$", r"\1 image", path.read_text(), flags=re.MULTILINE)
        (tmp_path / f"{path.parent.name}-{path.name}").write_text(text)
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    ignored = [argument for code in COPILOTS_OWN for argument in ("--ignore-checks", code)]
    assert cfn_lint("--ignore-checks", "W", *ignored, "--template", *files) == ""


def test_a_mistake_is_found(tmp_path: Path) -> None:
    broken = Path("copilot/environments/addons/state.yml").read_text().replace("SSEAlgorithm", "SSEAlgoritm")
    (tmp_path / "state.yml").write_text(broken)
    assert "SSEAlgoritm" in cfn_lint("--template", str(tmp_path / "state.yml"))
