# Everything runs in .venv, which the first target that needs it sets up. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
JOBS ?= 2
BOARD ?= kv260
MODEL ?= examples/tiny-llama
PROJECT ?= build/tiny-$(BOARD)

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
QUICK := not long and not mutants and not formal
PYTEST := $(BIN)/python -m pytest

.PHONY: help demo test test-long check bench snapshots mutants formal docs bitstream clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## generate a matrix unit from a real checkpoint (MODEL, BOARD) and verify it at every level
	$(BIN)/fastprefill generate --model $(MODEL) --board $(BOARD) --out build/tiny
	$(BIN)/fastprefill verify build/tiny

test: check docs ## linter, types and quick tests (JOBS=2 processes); ends with the tiers that ran
	$(PYTEST) -n $(JOBS) -m "$(QUICK)"

test-long: $(STAMP) ## full-size RTL, mutants and proofs; writes results/test-long.json (AGAIN="-k NAME": runs these, keeps the others)
	$(PYTEST) -n $(JOBS) -m "long or mutants or formal" $(if $(AGAIN),--add-results,--write-results)=results/test-long.json $(AGAIN)

check: $(STAMP) ## linter and strict types only
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP) ## generation time and memory, interpreter and simulation speed, as JSON
	$(BIN)/python -m benchmarks

snapshots: $(STAMP) ## rewrite the expected texts in tests/snapshots (look at the diff before you commit it)
	$(PYTEST) -n $(JOBS) -m "$(QUICK)" -k snapshot --update-snapshots

mutants: $(STAMP) ## break the generated hardware on purpose; every break must be caught
	$(PYTEST) -n $(JOBS) -m mutants

formal: $(STAMP) ## prove the hand-written parts and their arithmetic by induction
	$(PYTEST) -n $(JOBS) -m formal

docs: $(STAMP) ## check the links in the documentation and the commands it shows
	$(BIN)/python docs/check.py README.md CHANGELOG.md THIRD_PARTY.md docs examples

bitstream: $(STAMP) ## build the bitstream of PROJECT, or of MODEL on BOARD, with AMD's tools (DRY_RUN=1: print the commands)
	@[ -f $(PROJECT)/manifest.json ] || $(BIN)/fastprefill generate --model $(MODEL) --board $(BOARD) --out $(PROJECT)
	@$(BIN)/fastprefill bitstream $(PROJECT) $(if $(DRY_RUN),--dry-run)

clean: ## remove build outputs and caches (keeps .venv)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt .ci/venv
	.ci/venv $(PYTHON) $(VENV)
	touch $@
