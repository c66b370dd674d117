# One environment, .venv, made by the first target that needs it and again when it has changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-heavy test-browser test-ray lint format bench clean

help:  ## Say what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP)  ## Make .venv with every library at the version of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Homing needs Python 3.11 or later: make setup PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	# What these two pin is older than what we need; what the tests ask of them works all the same.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps langchain-huggingface llama-index-finetuning
	@touch $@

demo: setup  ## Run the main job on real text, offline (about 5 minutes on two cores)
	$(BIN)/python examples/demo.py

test: setup  ## Run the tests that need neither network nor GPU nor patience; with Chromium, the browser's
	$(PYTEST) -n logical --dist worksteal
	$(PYTEST) -m browser

test-slow: setup  ## Run the tests that take more than a few seconds each
	$(PYTEST) -m 'slow and not heavy and not browser and not ray'

test-heavy: setup  ## Run the tests that take minutes, or much memory or disk
	$(PYTEST) -m heavy --timeout 3600

test-browser: setup  ## Open the report in headless Chromium, as make test does
	$(PYTEST) -m browser

test-ray: setup  ## Run the engine on Ray: clusters of several nodes on this machine, some of them killed
	$(PYTEST) -m 'ray and not heavy' --timeout 600

lint: setup  ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Bring the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## Measure quality, speed and size; results go to benchmarks/results/
	@for script in ingestion two_reports lyft_uber filters writing certainty search embedding recipes scifact exports serving fuzzing indexing; do echo "== $$script"; $(BIN)/python benchmarks/$$script.py || exit 1; done

clean:  ## Remove what make made
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf src/*.egg-info
