"""Writes the dashboards, from the repository's root: ``python -m monitoring.dashboards``."""

from pathlib import Path

from monitoring.dashboards.files import FOLDER, dashboard_files


def main() -> None:
    """Writes each file anew, and removes those that no page stands for any more."""
    folder = Path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    files = dashboard_files()
    for old in folder.glob("*.json"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
