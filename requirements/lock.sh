#!/usr/bin/env bash
# Resolves every lock file: development first, then one per image, held to the same versions.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { # LOCK, then sources
  local lock=requirements/$1.lock
  shift
  "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --custom-compile-command 'make lock' --overrides "${overrides:-requirements/overrides.txt}" --output-file "$lock" "$@"
}
packages=(libs/pipeline services/stream-getter services/classifier services/notifier model simulator)
compile development "$@" requirements/development.in "${packages[@]/%//pyproject.toml}"
like_development=(--constraints requirements/development.lock --overrides requirements/overrides-images.txt)
compile bootstrap "${like_development[@]}" requirements/bootstrap.in
for service in stream-getter classifier notifier; do
  compile "$service" "${like_development[@]}" libs/pipeline/pyproject.toml "services/$service/pyproject.toml"
done
compile model "${like_development[@]}" model/pyproject.toml
overrides=requirements/overrides-transformers.txt compile model-transformers \
  --constraints requirements/development.lock --extra transformers model/pyproject.toml requirements/model-transformers.in
compile simulator "${like_development[@]}" simulator/pyproject.toml
