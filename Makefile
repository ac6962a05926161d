# `make help` lists the targets. Each makes its own .venv from hashed lock files; only Python and make are needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PACKAGES := libs/pipeline services/stream-getter services/classifier services/notifier model simulator
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CODE := libs services model simulator demo monitoring deployment tests

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY) ## everything runs on this machine, posts flow, alerts appear; ONCE=1 ends after the sample
	@$(BIN)/python -m demo $(if $(filter 1,$(ONCE)),--once)

post: $(READY) ## one more post on the running demo's stream: make post TEXT="..."
	@$(BIN)/python -m demo.post

test: $(READY) ## every test (unit, integration, end to end)
	@$(BIN)/python -m pytest

check: $(READY) ## lint, format, types, fast tests: before each commit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/python -m pytest -q tests/unit

format: $(READY) ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(READY) ## generate what docs/ and monitoring/ hold of the code
	@$(BIN)/python -m pipeline.schema > docs/contracts.schema.json
	@$(BIN)/python -m monitoring.metrics_reference > docs/metrics.md
	@$(BIN)/python -m monitoring.dashboards

lock: $(READY) ## resolve all lock files anew
	@UV=$(BIN)/uv requirements/lock.sh

clean: ## remove everything that the targets made
	rm -rf $(VENV) .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/bootstrap.lock requirements/development.lock $(PACKAGES:%=%/pyproject.toml)
	@requirements/install.sh "$(PYTHON)" "$(VENV)" $(PACKAGES)
	@touch $@

.PHONY: help demo post test check format docs lock clean
