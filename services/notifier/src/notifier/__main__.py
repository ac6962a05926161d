"""The command `notifier`: reads the settings, builds the parts, runs until SIGTERM."""

import os

from notifier.bootstrap import run
from notifier.settings import Settings
from pipeline.lifecycle import exit_with
from pipeline.logs import configure_logs
from pipeline.settings import read_settings


def main() -> None:
    """Exits with 0 after SIGTERM, 1 after a crash, 2 for a user's mistake."""
    exit_with("notifier", _main)


def _main() -> int:
    settings = read_settings(Settings, os.environ)
    configure_logs(settings.log_level, settings.log_format, "notifier")
    return run(settings)


if __name__ == "__main__":
    main()
