"""A copy of the repository that make may be run in: it writes there, and finds its environment made."""

import shutil
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
#: What no command needs, or what must not be shared.
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "dist", "build", ".demo", ".hypothesis", "*_cache", "__pycache__")


def copy_repository(folder: Path) -> Path:
    """Makes it in ``folder``, which must not exist. Its .venv is the running Python's, and make takes it for made."""
    shutil.copytree(REPOSITORY, folder, ignore=_LEFT_OUT, symlinks=True)
    environment = folder / ".venv"
    environment.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environment / name).symlink_to(Path(sys.prefix) / name)
    # copied files keep their times, so this is the newest
    (environment / ".ready").touch()
    return folder
