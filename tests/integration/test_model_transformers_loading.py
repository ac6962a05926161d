"""Models that transformers can load and that it cannot, made on the spot; no network is used."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.model_process import run_model_to_its_end
from tests.support.transformers_installed import require_transformers

require_transformers()

import torch  # noqa: E402 - not before it is known to be there
import transformers  # noqa: E402

from tests.support.tiny_nli_model import MAX_TOKENS, save_tiny_bart_model, save_tiny_nli_model  # noqa: E402
from zero_shot_model.errors import StartError  # noqa: E402
from zero_shot_model.protocol import ClassificationRequest  # noqa: E402
from zero_shot_model.transformers_backend import TransformersBackend  # noqa: E402
from zero_shot_model.transformers_loading import ModelSource, load  # noqa: E402

THREADS = 2
LABELS = ["flood", "cat", "earthquake"]


@contextmanager
def loaded(folder: Path) -> Iterator[TransformersBackend]:
    backend = load(ModelSource("HF_MODEL_ID", str(folder), "", local=True), THREADS)
    try:
        yield backend
    finally:
        backend.close()


def classify(backend: TransformersBackend, texts: list[str]) -> list[list[float]]:
    request = ClassificationRequest(texts=texts, single=False, labels=LABELS, multi_label=True, template="{}")
    return [answer.scores for answer in backend.classify(request)]


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _pickle_weights(folder: Path) -> None:
    weights = transformers.BertForSequenceClassification.from_pretrained(folder).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _broken_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)


def _no_head(folder: Path) -> None:
    transformers.BertModel.from_pretrained(folder).save_pretrained(folder)
    change_config(folder, label2id={"entailment": 0}, id2label={0: "entailment"})


def _other_labels(folder: Path) -> None:
    save_tiny_nli_model(folder, labels=("negative", "positive"))


def _own_code(folder: Path) -> None:
    names = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    change_config(folder, auto_map=names, model_type="own")
    (folder / "own.py").write_text("raise SystemExit('code of a model was run')")


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def _no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).unlink(missing_ok=True)


def _other_size(folder: Path) -> None:
    change_config(folder, hidden_size=16)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (_pickle_weights, "safetensors"),
        (_no_weights, "safetensors"),
        (_broken_weights, "found: Safetensor"),
        (_no_head, "expected weights for the whole model in {folder}, found: none for classifier.bias, classifier.w"),
        (_other_labels, 'begins with "entail" in label2id of its config.json in {folder}, found: negative, positive'),
        (_own_code, "found: Python code of its own, which is never run"),
        (_no_json, "config.json"),
        (_no_tokenizer, "expected a tokenizer's vocabulary in {folder}, found: 5 tokens"),
        (_other_size, "found: "),
    ],
)
def test_a_model_that_cannot_be_used_is_one_line(tmp_path: Path, spoil: Callable[[Path], None], found: str) -> None:
    save_tiny_nli_model(tmp_path)
    spoil(tmp_path)
    with pytest.raises(StartError) as caught, loaded(tmp_path):
        pass
    message = str(caught.value)
    assert message.startswith("HF_MODEL_ID: expected ")
    assert found.format(folder=tmp_path) in message
    assert "\n" not in message
    assert len(message) < 600


def test_the_command_ends_with_the_line_and_code_2(tmp_path: Path) -> None:
    save_tiny_nli_model(tmp_path, labels=("negative", "positive"))
    variables = {"BACKEND": "transformers", "HF_MODEL_ID": str(tmp_path), "LOG_LEVEL": "error", "PORT": "0"}
    ended = run_model_to_its_end([], variables)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("zero-shot-model: HF_MODEL_ID: expected a label that begins with")


def test_threads_are_what_was_asked_for(tmp_path: Path) -> None:
    with loaded(save_tiny_nli_model(tmp_path)):
        assert torch.get_num_threads() == THREADS


def test_half_precision_is_computed_in_single(tmp_path: Path) -> None:
    with loaded(save_tiny_nli_model(tmp_path, dtype=torch.float16)) as backend:
        single = transformers.pipeline("zero-shot-classification", str(tmp_path), dtype=torch.float32, device="cpu")
        expected = single("a flood", LABELS, hypothesis_template="{}", multi_label=True)["scores"]
        half = transformers.pipeline("zero-shot-classification", str(tmp_path), dtype=torch.float16, device="cpu")
        assert half("a flood", LABELS, hypothesis_template="{}", multi_label=True)["scores"] != pytest.approx(
            expected, abs=1e-5
        )
        assert classify(backend, ["a flood"])[0] == pytest.approx(expected, abs=1e-5)


def test_a_tokenizer_without_a_limit_does_not_lead_the_model_beyond_its_own(tmp_path: Path) -> None:
    with loaded(save_tiny_nli_model(tmp_path, tokenizer_options={"model_max_length": 10**30})) as backend:
        long = "flood in the valley " * MAX_TOKENS
        whole, cut = classify(backend, [long * 100, long])
        assert whole == pytest.approx(cut, abs=1e-5)


def test_what_marks_a_texts_end_may_stand_in_a_post(tmp_path: Path) -> None:
    texts = ["a flood", "a flood [SEP] in the valley [SEP]"]
    with loaded(save_tiny_bart_model(tmp_path)) as backend:
        pipeline = transformers.pipeline("zero-shot-classification", str(tmp_path), device="cpu")
        with pytest.raises(ValueError, match="same number of <eos>"):
            pipeline(texts, LABELS, batch_size=6)
        one_by_one = [pipeline(text, LABELS, hypothesis_template="{}", multi_label=True)["scores"] for text in texts]
        for found, expected in zip(classify(backend, texts), one_by_one, strict=True):
            assert found == pytest.approx(expected, abs=1e-5)


def test_the_library_logs_nothing_of_a_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with loaded(save_tiny_nli_model(tmp_path)) as backend:
        classify(backend, ["zebras " * 500])
    assert "zebras" not in caplog.text
