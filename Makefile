# Two commands set up and prove everything on a machine with python3 >= 3.11 and make: `make demo` and `make test`.

VENV := .venv
READY := $(VENV)/.synced
PYTHON_IN_VENV := $(VENV)/bin/python
WORKERS := 3
PACKAGES := api domain infra media projections streams
BENCHMARKS := $(basename $(notdir $(shell grep -l __main__ tests/benchmarks/*.py)))

# Numeric libraries would otherwise start a thread per core for arrays of a few hundred samples.
export OPENBLAS_NUM_THREADS := 1
# Tests start hundreds of processes; each is ready two seconds sooner when compiled modules are kept.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test proofs check bench chaos up clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY) ## Make .venv from the lock file, with the embedded engines and the test tools
	@echo '$(VENV) is up to date with uv.lock'

$(READY): uv.lock pyproject.toml infra/setup/environment.sh
	@PYTHON='$(PYTHON)' ./infra/setup/environment.sh

demo: $(READY) ## Hold one spoken call on this machine and show it (ARGS=--keep leaves the system running)
	@$(VENV)/bin/callfold demo $(ARGS)

up: $(READY) ## Run the whole system in one process (ARGS="--port 9000 --data-dir DIR")
	@$(VENV)/bin/callfold up $(ARGS)

test: $(READY) ## Run the tests, in about nine minutes (ARGS="-k name" for some, WORKERS=0 for one after the other)
	@$(PYTHON_IN_VENV) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder -m 'not long' $(ARGS)

proofs: $(READY) ## Run the long tests: hundreds of killed processes, whole histories, every operation (ARGS="-k name")
	@$(PYTHON_IN_VENV) -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder -m long $(ARGS)

check: $(READY) ## Lint, formatting, types, and the rule of who may import whom
	@echo '==> ruff check' && $(VENV)/bin/ruff check .
	@echo '==> ruff format --check' && $(VENV)/bin/ruff format --check .
	@echo '==> mypy --strict' && $(VENV)/bin/mypy --strict
	@echo '==> lint-imports' && $(VENV)/bin/lint-imports --no-cache

bench: $(READY) ## Run the benchmarks (BENCHMARKS="log_append rebuild" for some); they print, they do not judge
	@for name in $(BENCHMARKS); do echo "==> $$name" && $(PYTHON_IN_VENV) -m tests.benchmarks.$$name || exit 1; done

chaos: $(READY) ## Kill writers and brokers for minutes and check every history (ARGS="--minutes 1")
	@$(PYTHON_IN_VENV) -m tests.chaos $(ARGS)

clean: ## Remove .venv, caches and build outputs (never a data folder)
	@rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(PACKAGES) tests -type d -name __pycache__ -prune -exec rm -rf {} +
