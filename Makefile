# Everything sets itself up: `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
# Expanded by the shell and always in quotes: any folder will do, whatever its name holds.
RUNS_DIR := $${RUNS:-$${ITPORTRAIT_RUNS:-runs}}
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: help setup demo test test-slow test-other check format docs tree data bench pretrain ui clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(STAMP)  ## virtual environment with all dependencies

# uv resolves and unpacks in parallel (a minute instead of ten), from the same index as pip.
$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable ".[dev]"
	touch $@

demo: $(STAMP)  ## stylize the demo portraits: open runs/demo/gallery/index.html afterwards
	ITPORTRAIT_RUNS="$(RUNS_DIR)" $(BIN)/itportrait demo

test: $(STAMP)  ## the test suite without the slow tests, in two processes
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadgroup

test-slow: $(STAMP)  ## the slow tests: jobs that are killed, clusters that lose nodes, 512 px goldens
	$(BIN)/python -m pytest -m "slow and not alone" -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -m "slow and alone"

test-other: $(STAMP)  ## a part of the fast tests on another Python, 3.12 to 3.14, where there is one
	tests/other_python.sh

check: $(STAMP)  ## lint, format, types, layers: what CI runs before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/tree.py --check
	$(BIN)/python docs/data.py --check
	$(BIN)/python docs/performance.py --check

format: $(STAMP)  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)  ## the reference of settings and API as static pages: build/docs/index.html
	$(BIN)/python docs/reference.py

tree: $(STAMP)  ## rewrite README's tree and docs/rooms.svg from the sources
	$(BIN)/python docs/tree.py

bench: $(STAMP)  ## speed of what users wait for, against the published sequence of operations
	$(BIN)/python -m benchmarks.bench

data: $(STAMP)  ## rewrite docs/data.md, every column of every table, from the records' docstrings
	$(BIN)/python docs/data.py

pretrain: $(STAMP)  ## remake the embedded models from nothing (about two hours on 2 cores)
	$(BIN)/python workflows/pretrain_mini.py --runs "$(RUNS_DIR)/pretrain"

ui: $(STAMP)  ## MLflow on http://127.0.0.1:5000, to compare domains
	cd "$(RUNS_DIR)" && "$(abspath $(BIN))/mlflow" ui --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port 5000

clean:  ## remove runs and caches, keep the environment
	rm -rf -- "$(RUNS_DIR)" build dist .pytest_cache .ruff_cache
