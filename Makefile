# `make help` lists the targets. Each makes its own .venv from hashed lock files; only Python and make are needed.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PACKAGES := libs/pipeline services/stream-getter services/classifier services/notifier model simulator
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CODE := libs services model simulator demo monitoring deployment bench tests

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(READY) ## everything runs on this machine, posts flow, alerts appear; ONCE=1 ends after the sample; SOURCE=bluesky
	@$(BIN)/python -m demo $(if $(filter 1,$(ONCE)),--once) $(if $(SOURCE),--source="$(SOURCE)")

post: $(READY) ## one more post on the running demo's stream: make post TEXT="..."
	@$(BIN)/python -m demo.post

test: $(READY) ## every test (unit, integration, end to end)
	@$(BIN)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder

properties: $(READY) ## reader and writer in 10,000 random interleavings; INTERLEAVINGS=... SEED=...
	@INTERLEAVINGS=$(or $(INTERLEAVINGS),10000) $(BIN)/python -m pytest tests/properties

chaos: $(READY) ## kills and outages under load, for some twenty minutes; SEED=... repeats a run
	@$(BIN)/python -m pytest tests/chaos

bench: bench-pipeline bench-stream-getter bench-classifier bench-model ## every benchmark

bench-pipeline: $(READY) ## reader and writer against a bare loop of boto3, 3 minutes; OPTIONS="--server strict --check"
	@$(BIN)/python -m bench.pipeline $(OPTIONS)

bench-stream-getter: $(READY) ## stream-getter against one send a post and a bare batch loop; OPTIONS="--server ministack"
	@$(BIN)/python -m bench.stream_getter $(OPTIONS)

bench-classifier: $(READY) ## classifier against the AWS sample's way and the endpoint alone, 5 minutes; OPTIONS="--check"
	@$(BIN)/python -m bench.classifier $(OPTIONS)

bench-model: $(READY) ## the model endpoint over HTTP against a bare loop of the same model, 2 minutes; OPTIONS="--check"
	@$(BIN)/python -m bench.model $(OPTIONS)

check: $(READY) ## lint, format, types, manifests, fast tests: before each commit
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/python -m deployment.manifests
	@$(BIN)/python -m pytest -q tests/unit

format: $(READY) ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(READY) ## generate what docs/ and monitoring/ hold of the code
	@$(BIN)/python -m pipeline.schema > docs/contracts.schema.json
	@$(BIN)/python -m monitoring.metrics_reference > docs/metrics.md
	@$(BIN)/python -m monitoring.dashboards

smoke: $(READY) ## one marked post, and whether its notification comes; ENV=test in AWS, else in compose; TIMEOUT=60
	@$(BIN)/python -m deployment.smoke $(if $(ENV),--env="$(ENV)") $(if $(TIMEOUT),--timeout="$(TIMEOUT)")

config: $(READY) ## config/alerts.yaml to its readers in AWS: make config ENV=test; FILE=... RESTART=1
	@$(BIN)/python -m deployment.put_config $(if $(ENV),--env="$(ENV)") $(if $(FILE),--file="$(FILE)") \
	  $(if $(filter 1,$(RESTART)),--restart)

model-image: $(READY) ## our own model to an environment's repository in AWS: make model-image ENV=test; TAG=...
	@$(BIN)/python -m deployment.model_image $(if $(ENV),--env="$(ENV)") $(if $(TAG),--tag="$(TAG)")

templates: $(READY) ## plain CloudFormation into dist/cloudformation, for deploys without Copilot; REGISTRY=... TAG=...
	@$(BIN)/python -m deployment.templates $(if $(REGISTRY),--registry="$(REGISTRY)") $(if $(TAG),--tag="$(TAG)")

transformers: $(VENV)/.transformers ## torch and transformers, which run any model, and the tests beside them: 0.9 GB or more

lock: $(READY) ## resolve all lock files anew
	@UV=$(BIN)/uv requirements/lock.sh

clean: ## remove everything that the targets made
	rm -rf $(VENV) .demo dist/cloudformation .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements/bootstrap.lock requirements/development.lock $(PACKAGES:%=%/pyproject.toml)
	@requirements/install.sh "$(PYTHON)" "$(VENV)" $(PACKAGES)
	@touch $@

$(VENV)/.transformers: $(READY) requirements/model-transformers.lock requirements/torch.txt
	@requirements/install-transformers.sh "$(VENV)"
	@touch $@

.PHONY: transformers help demo post test properties bench bench-pipeline bench-stream-getter bench-classifier bench-model chaos check format docs smoke config model-image templates lock clean
