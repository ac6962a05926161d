"""What stands behind the routes: the embedded model, or any model that transformers can run."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry

from zero_shot_model import assets, transformers_loading
from zero_shot_model.calls import CurrentCall
from zero_shot_model.encoder import OpenVinoEncoder
from zero_shot_model.errors import StartError
from zero_shot_model.metrics import EncoderMetrics
from zero_shot_model.minilm_backend import MiniLmBackend
from zero_shot_model.protocol import ClassificationRequest
from zero_shot_model.scoring import Classification
from zero_shot_model.settings import Settings


class Backend(Protocol):
    """A loaded model. Any thread may call its methods, several at a time."""

    @property
    def knows_examples(self) -> bool:
        """Whether a request's examples change its scores; otherwise they are ignored."""
        ...

    def classify(self, request: ClassificationRequest) -> list[Classification]:
        """One Classification a text, in their order. Raises BadRequest, CallerGone, and EncoderClosed after `close`."""
        ...

    def close(self) -> None:
        """Make a running and every later `classify` stop soon."""
        ...


Load = Callable[[CurrentCall, CollectorRegistry], Backend]
"""Loads a backend, given which call each thread works for and where its metrics go. May raise StartError."""


def prepare(settings: Settings) -> Load:
    """What loads the chosen backend. Whatever can be known at once is checked here. Raises StartError."""
    if settings.backend == "transformers":
        transformers_loading.check_packages()
        source = transformers_loading.model_source(settings.hf_model_id, settings.hf_model_revision, settings.hf_task)
        return lambda current, _registry: transformers_loading.load(source, settings.threads, current)
    if settings.hf_model_id:
        raise StartError(f"HF_MODEL_ID: expected BACKEND=transformers beside it, found BACKEND={settings.backend}")
    model_file = assets.verified(assets.MODEL, settings.model_file)
    tokenizer_file = assets.verified(assets.TOKENIZER, settings.tokenizer_file)

    def load_minilm(current: CurrentCall, registry: CollectorRegistry) -> Backend:
        metrics = EncoderMetrics(registry)
        encoder = OpenVinoEncoder(model_file, tokenizer_file, settings.threads, current, metrics)
        return MiniLmBackend(encoder, settings.cached_labels)

    return load_minilm
