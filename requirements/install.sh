#!/usr/bin/env bash
# Makes a virtual environment from the hashed lock files, with this repository's packages in editable form.
#   requirements/install.sh PYTHON VENV PACKAGE...
set -euo pipefail
python=$1 venv=$2
shift 2
fail() { echo "make: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not there; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3 ..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version 2>&1) is too old; Python 3.11 or newer is needed, name one: make PYTHON=/path/to/python3 ..."
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
  fail "Python's venv module is missing; on Debian and Ubuntu: apt-get install python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"

echo "making $venv (once; a minute or less)"
[[ -x $venv/bin/python ]] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
export VIRTUAL_ENV=$PWD/$venv UV_NO_PROGRESS=1
# --no-deps: the lock is complete, and leaves out on purpose what requirements/overrides.txt names
"$venv/bin/uv" pip install --quiet --no-deps --require-hashes -r requirements/development.lock
editable=()
for package in "$@"; do editable+=(-e "$package"); done
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation "${editable[@]}"
