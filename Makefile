# Everything a person or CI calls. Needs git, make and Python >= 3.11 with venv; nothing needs root or a service.
PYTHON ?= python3
BIN := .venv/bin
PYTEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-agents check bench bench-agents lock schema screenshots clean

help: ## Show what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.ready ## Make the environment in .venv, from the locked and hashed requirements

# uv installs the 150 packages in seconds; where it cannot reach the index as pip is set up to, pip does it in two minutes.
.venv/.ready: requirements.lock requirements-setup.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-setup.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install -q --require-hashes -r requirements.lock \
	  || $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: setup ## Run a real workflow through the running system and print what came of it
	@$(BIN)/python -m demo

up: setup ## Run the whole system and leave it running; the UI is on port 3001
	@$(BIN)/orchestrator up

test: setup ## All tests, on real git, PostgreSQL and agents
	@$(BIN)/pytest -q -n $(PYTEST_WORKERS)

# Which of the real programs: those that have to pass. `make test-agents AGENTS="claude codex opencode"` tries others.
AGENTS ?= claude codex
test-agents: setup ## The agents' suite with the real programs against a model of ours: installs them, needs npm's registry
	@$(BIN)/python -m tests.parts.agent_programs $(AGENTS) everything
	@ORCHESTRATOR_TEST_AGENTS="$(AGENTS)" $(BIN)/pytest -q -n $(PYTEST_WORKERS) tests/agents_real

check: setup ## Lint, types, import contracts, specs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/orchestrator validate
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/dg check yaml
	@VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/dg check defs

bench: setup ## Print every published figure, both sides of each ratio in one run
	@$(BIN)/python -m bench

bench-agents: setup ## Print the figures about the real programs of agents; needs npm's registry
	@$(BIN)/python -m bench.agents

lock: setup ## Resolve the dependencies anew, with hashes and without the name of any index
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --no-strip-extras -q -o requirements.lock

schema: setup ## Write docs/workflow.schema.json, the JSON schema of a spec for editors
	@$(BIN)/python -m orchestrator.spec.schema_file

screenshots: setup ## Take the pictures of README and docs from the real UI in a headless browser
	@$(BIN)/python -m docs.screenshots

clean: ## Remove what setup and runs have made here
	rm -rf .venv .orchestrator .parts
