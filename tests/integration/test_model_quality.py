"""How well the embedded model tells posts apart. Figures are of the model, not of the code alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.model_quality.comparison import Comparison, RememberingEncoder
from bench.model_quality.frozen_half import measure_frozen_half
from bench.model_quality.labelled import FILES, read_labelled
from tests.support.ranking_metrics import average_precision, macro_f1
from zero_shot_model import assets
from zero_shot_model.encoder import MAX_TOKENS, OpenVinoEncoder
from zero_shot_model.examples import LabelExamples
from zero_shot_model.scoring import ZeroShotClassifier

TEMPLATE = "This post is about {}."
VARIABLE = "LABELLED_POSTS_DIR"


@pytest.fixture(scope="module")
def encoder() -> Iterator[OpenVinoEncoder]:
    encoder = OpenVinoEncoder(assets.verified(assets.MODEL, None), assets.verified(assets.TOKENIZER, None), threads=2)
    yield encoder
    encoder.close()


@pytest.fixture(scope="module")
def classifier(encoder: OpenVinoEncoder) -> ZeroShotClassifier:
    return ZeroShotClassifier(encoder)


def labelled_posts(name: str) -> tuple[list[str], list[str]]:
    """Texts and labels of one set; "none" is the label of a post about none of the others."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} names no folder of labelled posts")
    path = Path(folder, name)
    if not path.is_file():
        pytest.skip(f"{VARIABLE}: {path} does not exist")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def test_security_posts_rank_above_others(classifier: ZeroShotClassifier) -> None:
    texts, labels = labelled_posts("cti_ann_security_dev.jsonl")
    results = classifier.classify(texts, ["cybersecurity"], multi_label=True, template=TEMPLATE)
    relevant = [label == "cybersecurity" for label in labels]
    assert average_precision(relevant, [result.scores[0] for result in results]) >= 0.80


def test_crisis_posts_get_their_event(classifier: ZeroShotClassifier) -> None:
    """The best of the 12 labels is chosen if its own score (multi_label) reaches 0.5, else "none".

    F1 is averaged over the 12 labels; a "none" post that gets a label counts against that label. This is what
    an alert does, and reached 0.73. Without the threshold it is 0.71, without the "none" posts 0.74.
    """
    texts, expected = labelled_posts("crisislex26_events_dev.jsonl")
    labels = sorted(set(expected) - {"none"})
    assert len(labels) == 12
    results = classifier.classify(texts, labels, multi_label=True, template=TEMPLATE)
    chosen = [result.labels[0] if result.scores[0] >= 0.5 else "none" for result in results]
    assert macro_f1(expected, chosen, labels) >= 0.70


@pytest.fixture(scope="module")
def crisis(encoder: OpenVinoEncoder) -> Comparison:
    labelled_posts(FILES["crisis"])  # skips where it is absent
    return Comparison(read_labelled(os.environ.get(VARIABLE), "crisis"), encoder)


def test_five_examples_a_label_tell_crises_better_apart(crisis: Comparison) -> None:
    """The mean of three draws; the other posts of each draw are measured with. Five draws reached
    0.09 more of macro-F1 and 0.10 of mean average precision (bench/model_quality).
    """
    without = crisis.without()
    taught = [crisis.taught(5, draw)[0] for draw in range(3)]
    assert sum(each.macro_f1 for each in taught) / 3 >= without.macro_f1 + 0.07
    assert sum(each.mean_average_precision for each in taught) / 3 >= without.mean_average_precision + 0.07


def test_thresholds_keep_about_their_meaning_with_examples(crisis: Comparison) -> None:
    """With a vector that moves and a scale that does not, precision at 0.5 fell from 0.51 to 0.20."""
    without, (taught, _) = crisis.without(), crisis.taught(5, 0)
    assert taught.precision >= without.precision - 0.15
    assert taught.recall >= without.recall
    assert taught.f1_at_old_thresholds >= without.f1_at_old_thresholds - 0.05


def test_counter_examples_beside_them_make_alerts_more_precise(crisis: Comparison) -> None:
    taught, both = crisis.taught(5, 0)
    assert both.precision >= taught.precision + 0.05
    assert both.mean_average_precision >= taught.mean_average_precision + 0.01


def test_examples_help_labels_and_posts_that_the_rule_was_not_chosen_on(encoder: OpenVinoEncoder) -> None:
    """The labels of config/alerts.yaml on the sample's frozen half, five examples of the other half a label.

    Nothing may be tuned on it. Five draws reached: mean average precision 0.536, 0.660 with examples and 0.683 with
    counter-examples too; macro-F1 at the thresholds of the file 0.520, 0.569, 0.601.
    """
    half = measure_frozen_half(RememberingEncoder(encoder), draws=2)
    without, taught, both = half.without, half.with_examples, half.with_counter_examples
    assert taught.mean_average_precision >= without.mean_average_precision + 0.08
    assert both.mean_average_precision >= without.mean_average_precision + 0.10
    assert taught.macro_f1 >= without.macro_f1 + 0.02
    assert both.macro_f1 >= without.macro_f1 + 0.04


def test_counter_examples_lower_the_score_of_their_like_and_leave_the_labels_own_posts(
    classifier: ZeroShotClassifier,
) -> None:
    likes = ["This new album is absolute fire", "the new mixtape is straight fire"]
    posts = ["Wildfire spreads near the town, homes evacuated", "Firefighters battle a bushfire in the hills"]
    given = LabelExamples(counter_examples={"a fire": ["her new album is fire", "that mixtape was pure fire"]})
    without = classifier.classify([*likes, *posts], ["a fire"], True, TEMPLATE)
    taught = classifier.classify([*likes, *posts], ["a fire"], True, TEMPLATE, given)
    for before, after in zip(without[:2], taught[:2], strict=True):
        assert after.scores[0] < before.scores[0] - 0.1
    for before, after in zip(without[2:], taught[2:], strict=True):
        assert after.scores[0] == pytest.approx(before.scores[0], abs=0.02)


def test_an_earthquake_is_told_from_a_cat(classifier: ZeroShotClassifier) -> None:
    texts = [
        "Strong earthquake shakes the coast of Chile, buildings collapsed",
        "I love my cat so much today",
    ]
    quake, cat = classifier.classify(texts, ["earthquake"], multi_label=True, template=TEMPLATE)
    assert quake.scores[0] > 0.7
    assert cat.scores[0] < 0.3


def test_a_vector_hardly_depends_on_its_neighbours(encoder: OpenVinoEncoder) -> None:
    texts = [f"{'flood in the valley ' * (number % 7)}and rain, {number}" for number in range(40)]
    together = encoder.encode(texts)
    for text, vector in zip(texts, together, strict=True):
        assert float(encoder.encode([text])[0] @ vector) > 0.995


def test_a_text_is_read_up_to_its_256th_token_and_no_further(encoder: OpenVinoEncoder) -> None:
    # "rain" is one token; one goes to the mark at each end.
    within = "rain " * (MAX_TOKENS - 3)
    plain, changed, changed_too_late = (
        encoder.encode([text])[0] for text in (within + "rain", within + "volcano", within + "rain volcano")
    )
    assert float(plain @ changed) < 0.9999
    assert float(plain @ changed_too_late) > 0.9999


def test_openvinos_usage_reports_are_not_even_imported(tmp_path: Path) -> None:
    """A package of the reporter's name that would be noticed takes its place."""
    (tmp_path / "openvino_telemetry.py").write_text("raise SystemExit('openvino_telemetry was imported')")
    program = (
        "from zero_shot_model import assets\n"
        "from zero_shot_model.encoder import OpenVinoEncoder\n"
        "model, tokenizer = assets.verified(assets.MODEL, None), assets.verified(assets.TOKENIZER, None)\n"
        "print(OpenVinoEncoder(model, tokenizer, threads=1).encode(['a post']).shape)\n"
    )
    import_path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": import_path}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "(1, 384)\n"), ended.stderr
