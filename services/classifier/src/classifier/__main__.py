"""The command `classifier`: reads the settings, builds the parts, runs until SIGTERM; or a subcommand."""

import os
import sys

from classifier.bootstrap import run
from classifier.settings import Settings
from classifier.subcommands import SUBCOMMANDS
from pipeline.command_line import run_subcommand
from pipeline.dead_letters.tools import Terminal
from pipeline.lifecycle import exit_with
from pipeline.logs import configure_logs
from pipeline.settings import read_settings


def main() -> None:
    """Exits with 0 after SIGTERM, 1 after a crash, 2 for a user's mistake; subcommands say what else they have."""
    exit_with("classifier", _main)


def _main() -> int:
    if arguments := sys.argv[1:]:
        terminal = Terminal(sys.stdin, sys.stdout, sys.stderr)
        return run_subcommand("classifier", SUBCOMMANDS, arguments, os.environ, terminal)
    settings = read_settings(Settings, os.environ)
    configure_logs(settings.log_level, settings.log_format, "classifier")
    return run(settings)


if __name__ == "__main__":
    main()
