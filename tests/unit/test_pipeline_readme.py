"""libs/pipeline/README.md has a wish for each module, and no module that is not there."""

import re
from pathlib import Path

from tests.support.markdown import tables

LIBRARY = Path(__file__).parents[2] / "libs/pipeline"
PACKAGE = LIBRARY / "src/pipeline"


def modules_in_the_map() -> set[str]:
    files = [row[1] for head, rows in tables(LIBRARY / "README.md") if head == ["wish", "file"] for row in rows]
    return {name for cell in files for name in re.findall(r"`([^`]+)`", cell)}


def test_each_module_has_a_wish() -> None:
    modules = {file.stem for file in PACKAGE.glob("*.py")} - {"__init__"}
    packages = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert (modules | packages) - modules_in_the_map() == set()


def test_each_module_of_the_map_is_there() -> None:
    missing = [
        name
        for name in modules_in_the_map()
        if not (PACKAGE / f"{name}.py").is_file() and not (PACKAGE / name / "__init__.py").is_file()
    ]
    assert missing == []
