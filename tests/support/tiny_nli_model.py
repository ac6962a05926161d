"""An NLI model of a few kilobytes with random weights: as good as any to compare two ways to run it."""

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BartConfig,
    BartForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertTokenizer,
)

NLI_LABELS = ("contradiction", "neutral", "entailment")

MAX_TOKENS = 64

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_WORDS = ("this", "example", "is", "post", "about", "earthquake", "flood", "cat", "the", "in", "valley", "a")


def save_tiny_nli_model(
    folder: Path,
    labels: Sequence[str] = NLI_LABELS,
    dtype: torch.dtype = torch.float32,
    tokenizer_options: Mapping[str, Any] | None = None,
) -> Path:
    """Saves config.json, model.safetensors and the tokenizer's files in `folder`, and returns it."""
    token_ids = _save_tokenizer(folder, tokenizer_options or {})
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(token_ids),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_TOKENS,
        initializer_range=0.5,  # with the usual one all texts get nearly the same scores
        id2label=dict(enumerate(labels)),
        label2id={name: number for number, name in enumerate(labels)},
    )
    BertForSequenceClassification(config).to(dtype).save_pretrained(folder)
    return folder


def save_tiny_bart_model(folder: Path) -> Path:
    """The same of BART's architecture, as facebook/bart-large-mnli has it; `[SEP]` ends its texts."""
    # BART knows no second kind of token
    token_ids = _save_tokenizer(folder, {"model_input_names": ["input_ids", "attention_mask"]})
    torch.manual_seed(7)
    config = BartConfig(
        vocab_size=len(token_ids),
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=MAX_TOKENS,
        init_std=0.5,
        pad_token_id=token_ids["[PAD]"],
        bos_token_id=token_ids["[CLS]"],
        eos_token_id=token_ids["[SEP]"],
        decoder_start_token_id=token_ids["[SEP]"],
        id2label=dict(enumerate(NLI_LABELS)),
        label2id={name: number for number, name in enumerate(NLI_LABELS)},
    )
    BartForSequenceClassification(config).save_pretrained(folder)
    return folder


def _save_tokenizer(folder: Path, options: Mapping[str, Any]) -> dict[str, int]:
    characters = string.ascii_lowercase + string.digits
    vocabulary = [
        *_SPECIAL,
        *_WORDS,
        *characters,
        *(f"##{c}" for c in characters),
        *string.punctuation,
        "ü",
        "地",
        "震",
    ]
    token_ids = {token: number for number, token in enumerate(dict.fromkeys(vocabulary))}
    BertTokenizer(vocab=token_ids, **{"model_max_length": MAX_TOKENS, **options}).save_pretrained(folder)
    return token_ids
