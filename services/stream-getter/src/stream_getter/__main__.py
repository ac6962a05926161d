"""The command `stream-getter`: reads the settings, builds the parts, runs until SIGTERM; or a subcommand."""

import os
import sys

from pipeline.command_line import run_subcommand
from pipeline.dead_letters.tools import Terminal
from pipeline.lifecycle import exit_with
from pipeline.logs import configure_logs
from pipeline.settings import read_settings
from stream_getter.bootstrap import run
from stream_getter.settings import Settings
from stream_getter.subcommands import SUBCOMMANDS


def main() -> None:
    """Exits with 0 after SIGTERM, 1 after a crash, 2 for a user's mistake; subcommands say what else they have."""
    exit_with("stream-getter", _main)


def _main() -> int:
    if arguments := sys.argv[1:]:
        terminal = Terminal(sys.stdin, sys.stdout, sys.stderr)
        return run_subcommand("stream-getter", SUBCOMMANDS, arguments, os.environ, terminal)
    settings = read_settings(Settings, os.environ)
    configure_logs(settings.log_level, settings.log_format, "stream-getter")
    return run(settings, os.environ)


if __name__ == "__main__":
    main()
