# Everything a newcomer types. `make` alone explains the targets.

BIN := .venv/bin
# Four at a time on two processors, as most tests wait for a telephone; files in their order, so the long ones first.
PYTEST_ARGS ?= -n 4 --dist loadfile --no-loadscope-reorder
# The tests start Python hundreds of times: each would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run call test soak bench check types lint architecture migrations format setup venv lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: venv ## build what is missing, start everything, place one drill call, stay up until Ctrl-C
	@exec $(BIN)/pbx112 up

call: venv ## place one more drill call against the running system
	@exec $(BIN)/pbx112 drill

test: setup ## run all tests (a part: .venv/bin/pytest tests/unit)
	$(BIN)/pytest $(PYTEST_ARGS) -m "not alone"
	$(BIN)/pytest -n 0 -m alone

soak: setup ## mix faults at random under load (make soak MINUTES=30; SEED=.. repeats one)
	$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

bench: setup ## measure against bare Asterisk (one benchmark: make bench BENCH=intake)
	$(BIN)/python -m bench $(BENCH)

check: venv ## lint, format, types, architecture, migrations
	@$(MAKE) --no-print-directory -k -j 2 -O types lint architecture migrations

types:
	$(BIN)/mypy

lint:
	$(BIN)/ruff check
	$(BIN)/ruff format --check

architecture:
	$(BIN)/lint-imports

migrations:
	$(BIN)/pytest -n 0 tests/integration/test_storage_rights.py

format: venv ## let ruff format and mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

setup: venv ## fetch what this machine lacks (Asterisk 22, tools), below .runtime/, and make the prompts
	@$(BIN)/pbx112 setup

venv: ## build .venv from requirements.lock
	@deploy/bootstrap-venv.sh

lock: ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --extra dev pyproject.toml \
		-o requirements.lock --no-header

clean: ## remove what can be built again; calls, recordings and settings in .runtime/state stay
	rm -rf .venv .runtime/asterisk .runtime/pip .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf src/*.egg-info
	find src tests migrations -name __pycache__ -type d -prune -exec rm -rf {} +
