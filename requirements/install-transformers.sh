#!/usr/bin/env bash
# Adds transformers and torch to a virtual environment that install.sh has made.
#   requirements/install-transformers.sh VENV
set -euo pipefail
venv=$1

echo "adding transformers and torch to $venv (once; 0.9 GB, or several where pip finds torch with CUDA alone)"
export VIRTUAL_ENV=$PWD/$venv UV_NO_PROGRESS=1
# --no-deps: the lock is complete
"$venv/bin/uv" pip install --quiet --no-deps --require-hashes -r requirements/model-transformers.lock
# pip, not uv: uv prefers the first index that has a package, so it would not find the build for processors
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements/torch.txt
