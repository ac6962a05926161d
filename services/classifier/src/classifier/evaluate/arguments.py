"""The command line of `classifier evaluate`, turned into options."""

import argparse
import math
import re
from collections.abc import Sequence

from classifier.evaluate.goal import Goal, Measure
from classifier.evaluate.naming import OPTION
from classifier.evaluate.options import WORST, Options, Output
from pipeline.arguments import OneLineParser, text
from pipeline.errors import UserMistake

#: Posts a label that may be asked for.
_MOST_WORST = 50


def options_from(arguments: Sequence[str]) -> Options:
    """Raises UserMistake; --help exits with 0."""
    given = vars(_parser().parse_args(arguments))
    precision, recall = given.pop("precision"), given.pop("recall")
    if precision is not None:
        given["goal"] = Goal(Measure.PRECISION, precision)
    elif recall is not None:
        given["goal"] = Goal(Measure.RECALL, recall)
    given["labels_as"] = dict(given["labels_as"])
    given["output"] = given["output"] or Output.TABLE
    options = Options(**given)
    if options.compares and options.output is Output.PROPOSAL:
        raise UserMistake("--propose: expected no --compare beside it: a proposal is for one configuration and model")
    return options


def _parser() -> argparse.ArgumentParser:
    about = "how well labels, thresholds and the model work, measured with posts whose labels are known"
    parser = OneLineParser(
        prog="classifier evaluate",
        description=f"Says {about}.",
        epilog="Region, endpoint and configuration are those of the service's variables. docs/evaluate.md has more.",
        allow_abbrev=False,
    )
    file_help = 'one post a line, {"text": "…", "label": "…"}, or a list of labels, or "none"; - for standard input'
    parser.add_argument("file", metavar="LABELLED.JSONL", help=file_help)
    config_help = "files, s3://bucket/key or ssm:/parameter instead of ALERTS_CONFIG's"
    parser.add_argument("--config", type=text, metavar="PLACES", help=config_help)
    labels_help = "what the file calls NAME is the configuration's LABEL, or none; may be repeated"
    parser.add_argument(
        OPTION, type=_pair, action="append", default=[], metavar="NAME=LABEL", dest="labels_as", help=labels_help
    )
    examples_help = "count posts that are examples of the configuration too, which the model knows"
    parser.add_argument("--with-examples", action="store_true", help=examples_help)
    timeout_help = "give up after so long without any answer (default: wait, as the service does)"
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help=timeout_help)
    _add_goal(parser)
    _add_output(parser)
    _add_comparison(parser)
    return parser


def _add_goal(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what a threshold is to reach (default: the best F1)")
    either = group.add_mutually_exclusive_group()
    precision_help = "so much precision, and with it as much recall as can be had"
    either.add_argument("--precision", type=_share, metavar="SHARE", help=precision_help)
    recall_help = "so much recall, and with it as much precision as can be had"
    either.add_argument("--recall", type=_share, metavar="SHARE", help=recall_help)


def _add_output(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is printed (default: a table)")
    either = group.add_mutually_exclusive_group()
    either.add_argument("--json", action="store_const", const=Output.JSON, dest="output", help="for programs")
    propose_help = "thresholds that reach the goal, as YAML for the configuration"
    either.add_argument("--propose", action="store_const", const=Output.PROPOSAL, dest="output", help=propose_help)
    group.add_argument("--html", type=text, metavar="FILE", help="beside that a page with curves, in one file")
    worst_help = f"of the posts that went most wrong so many a label (default: {WORST})"
    group.add_argument("--worst", type=_worst, default=WORST, metavar="N", help=worst_help)


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("compare with a second trial of the same posts")
    group.add_argument("--compare", type=text, metavar="PLACES", help="by this configuration")
    group.add_argument("--compare-endpoint", type=text, metavar="NAME", help="with this endpoint")


def _pair(given: str) -> tuple[str, str]:
    name, equals, label = (part.strip() for part in given.rpartition("="))
    if not (name and equals and label):
        raise argparse.ArgumentTypeError(f"expected NAME=LABEL such as 'cybersecurity=cyber attack', got {given!r}")
    return name, label


def _share(given: str) -> float:
    number = _number(given)
    if number is None or not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number above 0, up to 1, such as 0.9, got {given!r}")
    return number


def _seconds(given: str) -> float:
    number = _number(given)
    if number is None or number <= 0:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {given!r}")
    return number


def _worst(given: str) -> int:
    if re.fullmatch(r"\d{1,3}", given, re.ASCII) and int(given) <= _MOST_WORST:
        return int(given)
    raise argparse.ArgumentTypeError(f"expected a whole number from 0 to {_MOST_WORST}, got {given!r}")


def _number(given: str) -> float | None:
    try:
        number = float(given)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
