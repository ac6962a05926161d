"""`classifier evaluate` as a process: against the real model, and against an endpoint that refuses or is away."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline.yaml_text import load_yaml
from tests.support.endpoint_stand_in import Call, EndpointStandIn, Failure, model_error
from tests.support.model_process import running_model
from tests.support.polling import wait_until

SECONDS = 60.0
DEV = Path("samples/posts_dev.jsonl")
CONFIG = Path("config/alerts.yaml")
NOWHERE = "http://127.0.0.1:9"
TWO = """
labels:
  - {name: flood, threshold: 0.5}
  - {name: fire, threshold: 0.5}
channels: {t: {type: stdout}}
routes: [{channels: [t]}]
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_model(tmp_path_factory.mktemp("model") / "log.txt", "--threads", "1") as model:
        yield model.url


def command(url: str, *arguments: str, **variables: str) -> tuple[list[str], dict[str, str]]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url,
        "ENDPOINT_NAME": "minilm",
        **variables,
    }
    return [sys.executable, "-m", "classifier", "evaluate", *arguments], environ


def evaluate(url: str, *arguments: str, stdin: str = "", **variables: str) -> Done:
    program, environ = command(url, *arguments, **variables)
    ended = subprocess.run(
        program, env=environ, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return Done(ended.returncode, ended.stdout, ended.stderr)


def two_labels(tmp_path: Path, posts: Sequence[Mapping[str, Any]], config: str = TWO) -> tuple[str, str]:
    """The paths of a labelled file and a configuration."""
    (tmp_path / "posts.jsonl").write_text("".join(f"{json.dumps(post)}\n" for post in posts))
    (tmp_path / "alerts.yaml").write_text(config)
    return str(tmp_path / "posts.jsonl"), str(tmp_path / "alerts.yaml")


def test_the_sample_with_the_real_model_as_json_and_as_a_page(model: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = evaluate(model, str(DEV), "--json", "--html", str(page))
    assert (done.code, done.err) == (0, f"classifier: written: {page}\n")
    report = json.loads(done.out)
    assert (report["posts"], report["refused"], report["model"]) == (80, 0, "minilm")
    labels = {label["name"]: label for label in report["labels"]}
    expected = [set(json.loads(line)["expected"]) for line in DEV.read_text().splitlines()]
    for name, label in labels.items():
        assert label["support"] == sum(name in each for each in expected)
        assert sum(label["histogram"]["about"]) == label["support"]
        assert label["average_precision"] > 2 * label["support"] / 80, "better than chance by far"
        assert label["now"]["hits"] <= min(label["now"]["passed"], label["support"])
    assert report["overall"]["labels"] == len(labels) == 6
    assert report["overall"]["posts_about_none"] == sum(not each for each in expected)
    answers = report["speed"]["answers"]
    assert sum(answers.values()) == 80
    # a repost is said in the words of its original
    assert answers["model"] < 80
    assert report["speed"]["without_model"] == pytest.approx(1 - answers["model"] / 80)
    assert report["speed"]["calls"]["ok"] >= 3
    assert sum(label["now"]["f1"] for label in labels.values()) / 6 == pytest.approx(report["overall"]["f1"])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert len(text) < 1_000_000
    assert all(f">{name}</h2>" in text for name in labels)


def test_a_table_and_a_proposal(model: str) -> None:
    table = evaluate(model, str(DEV), "--worst", "1")
    assert (table.code, table.err) == (0, "")
    assert table.out.startswith("80 posts of samples/posts_dev.jsonl, labels of config/alerts.yaml, endpoint minilm\n")
    assert "\x1b" not in table.out
    # what a post with terminal sequences wants to do is not done; a proposal is YAML whatever labels there are
    proposal = evaluate(model, "-", "--propose", "--recall", "0.8", stdin=DEV.read_text())
    assert (proposal.code, proposal.err) == (0, "")
    proposed = load_yaml(proposal.out, "proposal")
    names = [label["name"] for label in load_yaml(CONFIG.read_text(), "config")["labels"]]
    assert [label["name"] for label in proposed["labels"]] == names
    assert all(0 <= label["threshold"] <= 1 for label in proposed["labels"])


def test_two_wordings_side_by_side(model: str, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(CONFIG.read_text().replace("an earthquake or tremors being felt", "baking a cake with nuts"))
    done = evaluate(model, str(DEV), "--compare", str(other), "--compare-endpoint", "another", "--json")
    assert done.code == 0, done.err
    assert done.err.startswith(f"classifier: {other}: the thresholds were made for minilm, and another is asked\n")
    compared = json.loads(done.out)
    assert (compared["first"]["endpoint"], compared["second"]["endpoint"]) == ("minilm", "another")
    quake, *others = compared["labels"]
    assert quake["average_precision"][0] > quake["average_precision"][1]
    assert quake["changed"] >= len(quake["changed_posts"]) > 0
    # the other labels' words are the same; their scores differ by what batching does to floating point at most
    for label in others:
        assert label["now"]["word"] == "no clear difference"


def test_examples_are_left_out_and_refused_posts_are_told(tmp_path: Path) -> None:
    def refuse(call: Call) -> Failure | None:
        return model_error(400) if any("poison" in text for text in call.texts) else None

    posts = [
        {"text": f"The river is over its banks in town {number}", "label": "flood" if number % 3 else "none"}
        for number in range(30)
    ]
    posts += [
        {"text": "poison", "label": "fire", "id": "x1"},
        {"text": "THE BARN burns https://t.co/1", "label": "fire"},
    ]
    config = TWO.replace("name: fire,", "name: fire, examples: [the barn burns],")
    file, config_file = two_labels(tmp_path, posts, config)
    with EndpointStandIn(refuse) as endpoint:
        done = evaluate(endpoint.url, file, "--json", ALERTS_CONFIG=config_file)
        assert done.code == 0, done.err
        with_examples = evaluate(endpoint.url, file, "--with-examples", ALERTS_CONFIG=config_file)
    report = json.loads(done.out)
    assert (report["posts"], report["left_out"], report["refused"]) == (30, 1, 1)
    [refused] = report["refused_posts"]
    assert (refused["line"], refused["id"], refused["text"]) == (31, "x1", "poison")
    # the stand-in gives 0.9 for the first label and 0.1 for the others
    flood, fire = report["labels"]
    assert (flood["now"]["passed"], flood["now"]["hits"], fire["support"]) == (30, 20, 0)
    assert report["overall"]["alerted_in_error"] == report["overall"]["posts_about_none"] == 10
    assert report["speed"]["calls"]["ContentRefused"] >= 1
    assert with_examples.out.startswith("31 posts of")


def test_what_the_calls_were_made_for_is_not_lost_at_the_end(tmp_path: Path) -> None:
    file, config = two_labels(tmp_path, [{"text": "a", "label": "flood"}])
    no_utf8 = [os.fsdecode(os.fsencode(path) + b"\xff") for path in (file, config)]
    for path, other in zip((file, config), no_utf8, strict=True):
        Path(path).rename(other)
    with EndpointStandIn() as endpoint:
        full = evaluate(endpoint.url, no_utf8[0], "--config", no_utf8[1], "--html", "/dev/full")
        page = str(tmp_path / os.fsdecode(b"\xff.html"))
        done = evaluate(endpoint.url, no_utf8[0], "--config", no_utf8[1], "--html", page, "--json")
    assert (full.code, full.err.count("\n")) == (2, 1)
    assert full.err.endswith(" got '/dev/full': No space left on device\n")
    assert full.out.startswith("1 posts of ")
    assert (done.code, json.loads(done.out)["posts"]) == (0, 1), done.err
    assert Path(page).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_endpoint_that_is_away_is_waited_for(tmp_path: Path) -> None:
    file, config = two_labels(tmp_path, [{"text": "a", "label": "flood"}])
    gave_up = evaluate(NOWHERE, file, "--config", config, "--timeout", "0.5")
    program, environ = command(NOWHERE, file, "--config", config)
    errors = tmp_path / "errors.txt"
    with errors.open("w") as stream:
        waiting = subprocess.Popen(program, env=environ, stdout=subprocess.PIPE, stderr=stream, text=True)
        try:
            wait_until(errors.read_text, "a line that says what it waits for", SECONDS)
            waiting.send_signal(signal.SIGINT)
            out, _ = waiting.communicate(timeout=SECONDS)
        finally:
            waiting.kill()
            waiting.wait()
    assert (gave_up.code, gave_up.out) == (1, "")
    assert gave_up.err.startswith("classifier: model endpoint minilm: no answer within 0.5 s: ")
    assert gave_up.err.count("\n") == 1
    assert (waiting.returncode, out) == (130, "")
    first, last = errors.read_text().splitlines()
    assert first.startswith("classifier: waiting for model endpoint minilm: ")
    assert first.endswith(" (Ctrl-C ends it)")
    assert last == "classifier: stopped"


@pytest.mark.parametrize(
    ("lines", "arguments", "said"),
    [
        ([], [], "posts.jsonl: expected at least one labelled post, got an empty file"),
        (['{"text": "a", "label": "flood"}', "{"], [], "posts.jsonl:2: expected {"),
        (['{"text": "a", "label": "haze"}'], [], "posts.jsonl: expected posts about labels of "),
        (['{"text": "a", "label": "flood"}'], ["--labels-as", "a=b"], "--labels-as: expected a label of "),
        (['{"text": "a", "label": "flood"}'], ["--html", "/nowhere/x.html"], "--html: expected a file that can be"),
        (['{"text": "a", "label": "flood"}'], ["--compare", "/nowhere.yaml"], "/nowhere.yaml: expected a readable"),
        (['{"text": "a", "label": "flood"}'], ["--precision", "2"], "argument --precision: expected a number above 0"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_asked(
    lines: list[str], arguments: list[str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "posts.jsonl").write_text("\n".join(lines))
    (tmp_path / "alerts.yaml").write_text(TWO)
    done = evaluate(NOWHERE, str(tmp_path / "posts.jsonl"), "--config", str(tmp_path / "alerts.yaml"), *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.startswith("classifier: ")
    assert done.err.count("\n") == 1


def test_what_the_command_is_called(tmp_path: Path) -> None:
    program, environ = command(NOWHERE)
    helped = subprocess.run([*program[:-1], "--help"], env=environ, capture_output=True, text=True, timeout=SECONDS)
    assert (helped.returncode, "classifier evaluate" in helped.stdout) == (0, True)
    wrong = subprocess.run([*program[:-1], "evalute"], env=environ, capture_output=True, text=True, timeout=SECONDS)
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "classifier: expected no argument, or one of evaluate, got 'evalute'\n",
    )
    help_of_it = subprocess.run([*program, "--help"], env=environ, capture_output=True, text=True, timeout=SECONDS)
    assert help_of_it.returncode == 0
    assert "--labels-as NAME=LABEL" in help_of_it.stdout
    missing = {name: value for name, value in environ.items() if name != "ENDPOINT_NAME"}
    without = subprocess.run([*program, "x"], env=missing, capture_output=True, text=True, timeout=SECONDS)
    assert (without.returncode, without.stderr) == (
        2,
        "classifier: environment: ENDPOINT_NAME: expected a text that is not empty, got nothing\n",
    )
