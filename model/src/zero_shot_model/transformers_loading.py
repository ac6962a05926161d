"""Which model the transformers backend runs, and its loading.

Sources: Hugging Face, "SageMaker Hugging Face Inference Toolkit" (HF_MODEL_ID, HF_MODEL_REVISION, HF_TASK and the
folder /opt/ml/model), and the documentation of `AutoModelForSequenceClassification`.
"""

import importlib
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zero_shot_model.calls import CurrentCall
from zero_shot_model.errors import StartError
from zero_shot_model.transformers_backend import TransformersBackend

SAGEMAKER_FOLDER = Path("/opt/ml/model")
"""Where SageMaker unpacks an endpoint's model.tar.gz."""

TASK = "zero-shot-classification"

PACKAGES = ("torch", "transformers")

MAX_REASON_CHARACTERS = 300
"""Of what the library says when it cannot load a model: some of its errors are pages."""

MIN_VOCABULARY = 16
"""Without its files the library makes a tokenizer of some five to ten special tokens, and says nothing."""

_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True)
class ModelSource:
    """A folder, or a model of the hub at a revision ("" for its main branch). `named_by`: for messages."""

    named_by: str
    name: str
    revision: str
    local: bool


def check_packages() -> None:
    """Raises StartError when what the backend needs is not installed."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            expected = f"the packages {' and '.join(PACKAGES)} for transformers"
            raise StartError(f'BACKEND: expected {expected}, found no {package}; see "Another model" in the README')


def model_source(model_id: str, revision: str, task: str, sagemaker_folder: Path = SAGEMAKER_FOLDER) -> ModelSource:
    """Where the model is: `model_id` if given, else SageMaker's folder when it holds a model.

    Raises StartError for settings with which nothing can be loaded.
    """
    if task not in ("", TASK):
        raise StartError(f"HF_TASK: expected {TASK}, found {task!r}")
    if not model_id:
        if not (sagemaker_folder / "config.json").is_file():
            expected = f"a model of the hub or a folder, or a model in {sagemaker_folder}"
            raise StartError(f"HF_MODEL_ID: expected {expected}, found neither")
        return ModelSource("/opt/ml/model", str(sagemaker_folder), "", local=True)
    if Path(model_id).is_dir():
        if not (Path(model_id) / "config.json").is_file():
            raise StartError(f"HF_MODEL_ID: expected a folder with a model, found no config.json in {model_id}")
        return ModelSource("HF_MODEL_ID", model_id, "", local=True)
    if not _HUB_ID.fullmatch(model_id):
        raise StartError(f"HF_MODEL_ID: expected a model of the hub (owner/name) or a folder, found {model_id!r}")
    return ModelSource("HF_MODEL_ID", model_id, revision, local=False)


def load(source: ModelSource, threads: int, current: CurrentCall | None = None) -> TransformersBackend:
    """The model, ready, on `threads` threads. Only a model of the hub uses the network. `current`: see the backend.

    No code out of a model's files is run: none of its Python (`trust_remote_code`), and no weights in pickle's
    format, which is a program too. Raises StartError when the model cannot be loaded or is none for this task.
    """
    # Read when the library is imported. It tells the hub who uses it, and shows progress as in a terminal.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    torch = importlib.import_module("torch")
    transformers = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    try:
        pipeline = _pipeline(transformers, torch, source)
        backend = TransformersBackend(pipeline, current)
        backend.warm_up()
    except StartError:
        raise
    except Exception as error:  # the library raises whatever its readers and a model's files lead it to
        raise _refusal(source, f"a model that {TASK} can run", _reason(error)) from error
    return backend


def _pipeline(transformers: Any, torch: Any, source: ModelSource) -> Any:
    where = {"revision": source.revision or None, "local_files_only": source.local, "trust_remote_code": False}
    tokenizer = transformers.AutoTokenizer.from_pretrained(source.name, **where)
    if len(tokenizer) < MIN_VOCABULARY:
        raise _refusal(source, "a tokenizer's vocabulary", f"{len(tokenizer)} tokens")
    model, loaded = transformers.AutoModelForSequenceClassification.from_pretrained(
        source.name,
        use_safetensors=True,
        dtype=torch.float32,  # half precision, in which many are kept, is slower on a processor and less exact
        output_loading_info=True,
        **where,
    )
    missing = sorted(loaded["missing_keys"])
    if missing:
        # They would be filled with random numbers: a model that was never made for classification.
        raise _refusal(source, "weights for the whole model", f"none for {', '.join(missing[:3])}")
    pipeline = transformers.pipeline(TASK, model=model, tokenizer=tokenizer, device="cpu")
    if pipeline.entailment_id == -1:
        labels = ", ".join(list(model.config.label2id)[:5])
        raise _refusal(source, 'a label that begins with "entail" in label2id of its config.json', labels)
    return pipeline


def _refusal(source: ModelSource, expected: str, found: str) -> StartError:
    return StartError(f"{source.named_by}: expected {expected} in {source.name}, found: {found}")


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()) or "nothing said"
    if "trust_remote_code" in said:  # the library's advice is to pass it
        return "Python code of its own, which is never run"
    return f"{type(error).__name__}: {said}"[:MAX_REASON_CHARACTERS]
