"""In place of transformers' pipeline, its model and its tokenizer: what was asked of them, without torch."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any


@dataclass
class WordTokenizer:
    """A token a word; three separate a pair."""

    model_max_length: int = 100
    pad_token_id: int | None = 0
    texts: list[str] = field(default_factory=list)

    def __call__(self, texts: Sequence[str], **_: object) -> dict[str, list[list[int]]]:
        self.texts += texts
        return {"input_ids": [[1] * len(text.split()) for text in texts]}

    def num_special_tokens_to_add(self, pair: bool) -> int:
        return 3


@dataclass
class Config:
    max_position_embeddings: int | None = None


@dataclass
class Module:
    hook: Callable[..., None] = lambda: None

    def register_forward_pre_hook(self, hook: Callable[..., None]) -> None:
        self.hook = hook


@dataclass
class Model(Module):
    config: Config = field(default_factory=Config)
    layer: Module = field(default_factory=Module)

    def modules(self) -> list[Module]:
        return [self, self.layer]


@dataclass
class RecordingPipeline:
    """Scores each label by its place, and holds every call until `may_answer`."""

    tokenizer: WordTokenizer = field(default_factory=WordTokenizer)
    model: Model = field(default_factory=Model)
    score: float = 0.5
    failure: Exception | None = None
    fails_alone: bool = False
    calls: list[tuple[list[str], dict[str, Any]]] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def __call__(self, texts: list[str], **options: Any) -> list[dict[str, Any]]:
        self.model.hook()
        self.calls.append((texts, options))
        assert self.may_answer.wait(10)
        self.model.layer.hook()
        if self.failure is not None and (options["batch_size"] > 1 or self.fails_alone):
            raise self.failure
        labels = options["candidate_labels"]
        return [{"sequence": t, "labels": [f"{t[:9]}/{x}" for x in labels], "scores": [self.score]} for t in texts]

    @property
    def texts(self) -> list[list[str]]:
        return [texts for texts, _ in self.calls]


class CountingThread(ThreadPoolExecutor):
    """One thread that tells how many turns on it have been asked for."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self.asked_for = 0

    def submit(self, *arguments: Any, **named: Any) -> "Future[Any]":
        future = super().submit(*arguments, **named)
        self.asked_for += 1
        return future
