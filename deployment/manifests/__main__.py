"""Checks every manifest, from the repository's root: ``python -m deployment.manifests``."""

import sys
from pathlib import Path

from deployment.manifests.reading import FILE_NAME, read_manifest
from pipeline.errors import UserMistake

FOLDER = Path("copilot")


def main() -> int:
    """Prints one line for each manifest with a mistake and returns 2, or returns 0."""
    manifests = sorted(FOLDER.rglob(FILE_NAME))
    mistakes = []
    for path in manifests:
        try:
            read_manifest(path)
        except UserMistake as error:
            mistakes.append(str(error))
    if not manifests:
        mistakes.append(f"{FOLDER}: expected at least one {FILE_NAME}, got none")
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    return 2 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
