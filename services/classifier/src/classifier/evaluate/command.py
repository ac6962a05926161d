"""The one place that knows all parts of `classifier evaluate`."""

import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from prometheus_client import CollectorRegistry

from classifier.cases import judged_text
from classifier.evaluate.arguments import options_from
from classifier.evaluate.comparison import Changes, compare
from classifier.evaluate.labelled_file import LabelledFile, Survey, opened
from classifier.evaluate.labelled_post import LabelledPost
from classifier.evaluate.naming import Naming
from classifier.evaluate.options import Options, Output
from classifier.evaluate.page import comparison_page, report_page
from classifier.evaluate.page_file import PageFile
from classifier.evaluate.progress import Progress
from classifier.evaluate.proposal import proposal_lines
from classifier.evaluate.reckoning import overall, reckon
from classifier.evaluate.record import Record
from classifier.evaluate.report import Report, Speed, without_model
from classifier.evaluate.table import comparison_lines, report_lines
from classifier.evaluate.trial import Parts, Trial
from classifier.evaluate.waiting import Waiting
from classifier.judging import Judging
from classifier.labels import Labels
from classifier.metrics import Metrics
from classifier.same_text import key_of
from classifier.settings import EndpointSettings
from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.aws import aws_client
from pipeline.config_places import ConfigDocument, ConfigPlaces
from pipeline.dead_letters.tools import Terminal
from pipeline.hostile_text import one_line
from pipeline.logs import configure_logs
from pipeline.settings import read_settings

#: Posts in hand beyond those that calls have room for, as the service has it.
_BETWEEN = 200
#: Characters of where a configuration was read, as many bytes as Linux has for a path (PATH_MAX).
_PLACE_LENGTH = 4096


@dataclass(frozen=True)
class Side:
    """What one trial asks, and whom."""

    settings: EndpointSettings
    config: AlertsConfig
    document: ConfigDocument
    naming: Naming


class Outcome(NamedTuple):
    """What came of one trial."""

    record: Record
    report: Report


def run(arguments: Sequence[str], environ: Mapping[str, str], terminal: Terminal) -> int:
    """The exit code: 0, or 1 where no post could be judged. Call it from the main thread.

    Raises UserMistake, Unavailable, and KeyboardInterrupt for Ctrl-C.
    """
    options = options_from(arguments)
    settings = read_settings(EndpointSettings, environ)
    configure_logs("WARNING", "readable", "classifier", terminal.err)
    # what it says of an endpoint that is away is said in one line for people
    logging.getLogger("pipeline").setLevel("ERROR")
    PageFile(options.html, terminal).check()
    with opened(options.file, lambda: terminal.in_.buffer) as file:
        return Evaluation(options, _sides(options, settings), file, terminal).run()


class Evaluation:
    """One or two trials of the same posts, and what is printed of them."""

    def __init__(self, options: Options, sides: Sequence[Side], file: LabelledFile, terminal: Terminal) -> None:
        self._options = options
        self._sides = sides
        self._file = file
        self._terminal = terminal
        self._page_file = PageFile(options.html, terminal)
        self._examples = (
            set()
            if options.with_examples
            else {
                key_of(text)
                for side in sides
                for label in side.config.labels
                for text in [*(label.examples or []), *(label.counter_examples or [])]
            }
        )

    def run(self) -> int:
        """The exit code. Raises as ``command.run``."""
        survey = self._file.survey(self._is_counted)
        remarks = [self._remarks(side, survey) for side in self._sides]
        for line in dict.fromkeys(line for side in remarks for line in side):
            self._terminal.remark(f"classifier: {line}")
        first = self._trial(0, survey, remarks[0])
        if len(self._sides) == 1:
            return self._tell(first.report)
        changes = Changes(first.record)
        second = self._trial(1, survey, remarks[1], changes)
        comparison = compare(
            (first.record, second.record),
            (first.report, second.report),
            self._options.goal,
            changes,
        )
        with self._page_file.beside(lambda: comparison_page(comparison)):
            if self._options.output is Output.JSON:
                self._terminal.say(_as_json(comparison))
            else:
                self._say(comparison_lines(comparison))
        return 0 if comparison.posts else 1

    def _tell(self, report: Report) -> int:
        with self._page_file.beside(lambda: report_page(report)):
            match self._options.output:
                case Output.JSON:
                    self._terminal.say(_as_json(report))
                case Output.PROPOSAL:
                    self._say(proposal_lines(report))
                case Output.TABLE:
                    self._say(report_lines(report))
        return 0 if report.posts else 1

    def _trial(self, number: int, survey: Survey, remarks: Sequence[str], changes: Changes | None = None) -> Outcome:
        side = self._sides[number]
        record = Record(side.config, survey.posts, self._options.worst)
        if changes:
            record.listen(changes.note)
        registry = CollectorRegistry()
        settings = side.settings
        stopping = threading.Event()
        judging = Judging(settings, Labels(side.config), Metrics(registry), random.Random(), stopping)
        what = f"model endpoint {settings.endpoint_name}"
        bar = f"trial {number + 1} of {len(self._sides)}" if len(self._sides) > 1 else "evaluating"
        with Progress(self._terminal.err, bar, survey.posts) as progress:
            waiting = Waiting(
                what,
                judging.trouble,
                lambda line: progress.remark(f"classifier: {line}", self._terminal.err),
                self._options.timeout,
                time.monotonic,
            )
            most = 2 * settings.workers * settings.batch_texts + _BETWEEN
            trial = Trial(Parts(judging, record, side.naming, waiting, progress, stopping, most))
            seconds = trial.run(self._file.again(survey, self._is_counted))
        rows = [row for row, is_judged in enumerate(record.judged) if is_judged]
        labels = [reckon(label, rows, record.keys, self._options.goal).report for label in record.labels.values()]
        report = Report(
            at=datetime.now(UTC),
            file=self._file.name,
            config=side.document.place,
            config_version=side.document.version,
            endpoint=settings.endpoint_name,
            model=settings.model,
            goal=str(self._options.goal),
            posts=len(rows),
            left_out=survey.left_out,
            refused=record.refused_count,
            refused_posts=record.refused,
            remarks=list(remarks),
            labels=labels,
            overall=overall(record, rows, labels),
            speed=_speed(registry, settings.endpoint_name, survey.posts, seconds),
        )
        return Outcome(record, report)

    def _is_counted(self, labelled: LabelledPost) -> bool:
        return not self._examples or key_of(judged_text(labelled.post)) not in self._examples

    def _remarks(self, side: Side, survey: Survey) -> list[str]:
        remarks = side.naming.remarks(survey.labels, self._file.name, side.document.place)
        tuned_for, model = side.config.tuned_for, side.settings.model
        if tuned_for not in (None, model):
            remarks.append(f"{side.document.place}: the thresholds were made for {tuned_for}, and {model} is asked")
        return remarks

    def _say(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._terminal.say(line)


def _sides(options: Options, settings: EndpointSettings) -> list[Side]:
    # a second endpoint that stands in is another model: what it answers would spoil the figures
    alone = msgspec.structs.replace(settings, fallback_endpoint_name="", fallback_model_name="")
    places = options.config or settings.alerts_config
    sides = [_side(options, alone, places)]
    sides[0].naming.check(sides[0].document.place)
    if options.compares:
        other = alone
        if options.compare_endpoint:
            other = msgspec.structs.replace(alone, endpoint_name=options.compare_endpoint, model_name="")
        sides.append(_side(options, other, options.compare or places))
    return sides


def _side(options: Options, settings: EndpointSettings, places: str) -> Side:
    region = settings.aws_region
    document = ConfigPlaces(places, lambda: aws_client("s3", region), lambda: aws_client("ssm", region)).read()
    # a path need be no UTF-8, as which the report is written
    document = document._replace(place=one_line(document.place, _PLACE_LENGTH))
    config = parse_alerts_config(document.text, document.place)
    return Side(settings, config, document, Naming(config.labels, options.labels_as))


def _speed(registry: CollectorRegistry, endpoint: str, posts: int, seconds: float) -> Speed:
    calls: dict[str, int] = {}
    answers: dict[str, int] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            if sample.name == "classifier_endpoint_calls_total" and sample.labels["endpoint"] == endpoint:
                calls[sample.labels["outcome"]] = int(sample.value)
            elif sample.name == "classifier_answers_total":
                answers[sample.labels["by"]] = int(sample.value)
    rate = posts / seconds if seconds else 0.0
    return Speed(round(seconds, 3), round(rate, 1), calls, answers, without_model(answers))


def _as_json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
