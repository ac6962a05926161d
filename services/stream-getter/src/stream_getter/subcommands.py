"""What `stream-getter` does beside running the service: `stream-getter rules …`. A new one is a line here."""

from pipeline.command_line import Subcommand
from stream_getter.x.rules import command as rules

SUBCOMMANDS: dict[str, tuple[Subcommand, str]] = {
    "rules": (rules.run, "X's rules as code: plan, apply, list, check"),
}
