"""Which model the transformers backend is told to run, and mistakes in that."""

import sys
from pathlib import Path

import pytest

from zero_shot_model.errors import StartError
from zero_shot_model.transformers_loading import TASK, ModelSource, check_packages, model_source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_name_is_a_model_of_the_hub() -> None:
    source = model_source("facebook/bart-large-mnli", "d7645e1", TASK)
    assert source == ModelSource("HF_MODEL_ID", "facebook/bart-large-mnli", "d7645e1", local=False)


def test_a_folder_is_a_model_on_this_disk_and_has_no_revision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert model_source(str(folder), "main", "") == ModelSource("HF_MODEL_ID", str(folder), "", local=True)
    monkeypatch.chdir(folder.parent)
    assert model_source(folder.name, "", "").local


def test_without_a_name_sagemakers_folder_is_taken_if_it_holds_a_model(folder: Path) -> None:
    assert model_source("", "", TASK, sagemaker_folder=folder) == ModelSource(
        "/opt/ml/model", str(folder), "", local=True
    )


def test_a_name_goes_over_sagemakers_folder(folder: Path) -> None:
    assert model_source("owner/name", "", "", sagemaker_folder=folder).name == "owner/name"


@pytest.mark.parametrize(
    ("model_id", "task", "message"),
    [
        ("", "", "HF_MODEL_ID: expected a model of the hub or a folder, or a model in {empty}, found neither"),
        ("{empty}", "", "HF_MODEL_ID: expected a folder with a model, found no config.json in {empty}"),
        ("/no/folder", "", "HF_MODEL_ID: expected a model of the hub (owner/name) or a folder, found '/no/folder'"),
        ("a/b/c", "", "HF_MODEL_ID: expected a model of the hub (owner/name) or a folder, found 'a/b/c'"),
        ("../b", "", "HF_MODEL_ID: expected a model of the hub (owner/name) or a folder, found '../b'"),
        (
            "owner/name\n",
            "",
            "HF_MODEL_ID: expected a model of the hub (owner/name) or a folder, found 'owner/name\\n'",
        ),
        ("owner/name", "text-generation", "HF_TASK: expected zero-shot-classification, found 'text-generation'"),
    ],
)
def test_a_mistake_names_the_setting_and_what_was_expected(
    tmp_path: Path, model_id: str, task: str, message: str
) -> None:
    with pytest.raises(StartError) as caught:
        model_source(model_id.format(empty=tmp_path), "", task, sagemaker_folder=tmp_path)
    assert str(caught.value) == message.format(empty=tmp_path)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_a_missing_package_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, sys)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(StartError, match=f"^BACKEND: expected the packages torch and .*, found no {package}; see"):
        check_packages()
