"""Which backend the settings choose, and what is known to be wrong before anything is loaded."""

from pathlib import Path

import pytest

from zero_shot_model import backends, transformers_loading
from zero_shot_model.errors import StartError
from zero_shot_model.settings import read_settings


def test_the_embedded_model_is_the_default_and_its_files_are_checked_at_once(tmp_path: Path) -> None:
    assert read_settings([], {}).backend == "minilm"
    with pytest.raises(StartError, match=r"^MODEL_FILE: "):
        backends.prepare(read_settings([], {"MODEL_FILE": str(tmp_path / "missing")}))


def test_transformers_needs_none_of_these_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers_loading, "check_packages", lambda: None)
    variables = {"BACKEND": "Transformers", "HF_MODEL_ID": "owner/name", "MODEL_FILE": str(tmp_path / "missing")}
    assert callable(backends.prepare(read_settings([], variables)))


def test_a_model_of_the_hub_for_the_embedded_backend_is_a_mistake() -> None:
    with pytest.raises(StartError) as caught:
        backends.prepare(read_settings([], {"HF_MODEL_ID": "owner/name"}))
    assert str(caught.value) == "HF_MODEL_ID: expected BACKEND=transformers beside it, found BACKEND=minilm"


def test_an_unknown_backend_is_a_mistake() -> None:
    with pytest.raises(StartError, match=r"^BACKEND: expected one of minilm, transformers, found 'bert'$"):
        read_settings([], {"BACKEND": "bert"})
