"""What `classifier` does beside running the service: `classifier evaluate …`. A new one is a line here."""

from classifier.evaluate import command as evaluate
from pipeline.command_line import Subcommand

SUBCOMMANDS: dict[str, tuple[Subcommand, str]] = {
    "evaluate": (evaluate.run, "how well labels, thresholds and the model work, by labelled posts"),
}
