"""classifier as a real process whose configuration changes under load: each post is judged by one, as a whole."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.classifier_process import HARMLESS, QUIET, ClassifierProcess, numbered
from tests.support.endpoint_stand_in import Call, Outcome, model_error

QUICK = {"CONFIG_RELOAD_SECONDS": "0.1"}
#: What the second label scores; its threshold is now below and now above.
SECOND_SCORE = 0.6


def threshold(version: int) -> float:
    return 0.7 if version % 2 else 0.5


def labels_of(version: int) -> list[str]:
    """In order, so that which passes can be told: the first always, the second where its threshold is low."""
    return [f"flood {version}", f"fire {version}", *[f"more {version}"][: version // 2]]


def examples_of(version: int) -> dict[str, list[str]]:
    return {f"flood {version}": [f"an example of version {version}"]}


def config_of(version: int) -> str:
    first, second, *more = labels_of(version)
    labels = [
        f"{{name: {first}, threshold: 0.8, examples: {examples_of(version)[first]}}}",
        f"{{name: {second}, threshold: {threshold(version)}}}",
        *(f"{{name: {name}, threshold: 1}}" for name in more),
    ]
    return f"labels: [{', '.join(labels)}]\nchannels: {{a: {{type: stdout}}}}\nroutes: [{{channels: [a]}}]\n"


def score(text: str, label: str) -> float:
    if QUIET in text:
        return 0.1
    return 0.9 if label.startswith("flood") else SECOND_SCORE


def put(work: ClassifierProcess, content: str) -> None:
    """As an editor does: all of it at once."""
    new = work.config.with_suffix(".new")
    new.write_text(content)
    new.replace(work.config)


@contextmanager
def load(work: ClassifierProcess) -> Iterator[None]:
    """Posts all the time, of which every other says what one has said before."""
    over = threading.Event()

    def feed() -> None:
        for number in itertools.count():
            if over.wait(0.02):
                return
            work.send(numbered(range(number * 4, number * 4 + 4)))
            work.send(numbered(range(number, number + 2), source=f"again-{number}"))

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        over.set()
        feeder.join()


def test_each_alert_belongs_to_one_configuration_as_a_whole_and_nothing_is_lost(tmp_path: Path) -> None:
    with ClassifierProcess(tmp_path, QUICK, config=config_of(0)) as work:
        work.endpoint.score = score
        work.endpoint.custom_attributes = "examples"
        work.start_and_wait()
        with load(work):
            for version in range(1, 4):
                work.wait_until(lambda v=version: judged_by(work, v - 1), f"alerts of version {version - 1}")  # type: ignore[misc]
                put(work, config_of(version))
            work.wait_until(lambda: judged_by(work, 3), "alerts of version 3")
            put(work, config_of(4).replace("threshold: 0.8", "threshold: 8"))
            work.wait_until(lambda: work.metric("config_valid") == 0, "the wrong one to be refused")
            put(work, config_of(4))
            work.wait_until(lambda: judged_by(work, 4), "alerts of version 4")
        work.wait_until_settled()
        work.assert_balanced()
        work.assert_received_once()
        assert work.metric("config_reloads_total", outcome="applied") == 4
        assert work.metric("config_valid") == 1

        for alert in work.alerts():
            names = {score.name for score in alert.scores}
            version = version_of(alert.scores[0].name)
            assert names == set(labels_of(version))
            first, second, *_ = labels_of(version)
            passed = [first, second] if threshold(version) <= SECOND_SCORE else [first]
            assert [label.name for label in alert.labels] == passed
        for call in work.endpoint.calls:
            version = version_of(call.parameters["candidate_labels"][0])
            assert call.parameters["candidate_labels"] == labels_of(version)
            assert call.parameters.get("examples", examples_of(version)) == examples_of(version)
        # what one has judged already is asked about anew by the next, and once by each
        asked = [
            (text, call.parameters["candidate_labels"][0])
            for call in work.endpoint.calls
            for text in call.texts
            if text != HARMLESS
        ]
        assert len({text for text, _ in asked}) < len(set(asked)) == len(asked)


def version_of(name: str) -> int:
    return int(name.rpartition(" ")[2])


def judged_by(work: ClassifierProcess, version: int) -> bool:
    return any(version_of(alert.scores[0].name) == version for alert in work.alerts()[-50:])


def test_posts_that_wait_for_a_configuration_which_the_model_refuses_are_judged_by_the_next(tmp_path: Path) -> None:
    with ClassifierProcess(tmp_path, QUICK, config=config_of(0)) as work:
        work.endpoint.score = score
        work.start_and_wait()
        work.send(numbered(range(50)))
        work.wait_until_settled()
        assert work.metric("classifier_cache_entries") == 50

        def refuses_the_second(call: Call) -> Outcome:
            return model_error(400) if call.parameters["candidate_labels"] == labels_of(1) else None

        work.endpoint.behave = refuses_the_second
        put(work, config_of(1))
        work.wait_until(lambda: work.metric("config_reloads_total", outcome="applied") == 1, "the wrong one")
        # what the old labels were given is of no use to anybody
        assert work.metric("classifier_cache_entries") == 0
        work.send(numbered(range(50, 150)))
        work.wait_until(work.is_open, "the breaker to open")
        put(work, config_of(2))
        work.wait_until_settled()
        work.assert_balanced()
        work.assert_received_once()
        assert Counter(version_of(alert.scores[0].name) for alert in work.alerts()) == {0: 40, 2: 80}
