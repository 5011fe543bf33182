# `make` alone lists the targets. Everything is set up in .venv from a bare clone; Python >= 3.10 is all it needs.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-all test-edges check editors servers wheel clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/run ## watch real code being completed by the shipped model
	@$(BIN)/codecompose-ls demo

test: .venv/dev ## unit tests and the server over stdio
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope

test-all: test test-edges ## everything

# Apart, for whatever drives a browser has an event loop of its own until its process ends.
test-edges: .venv/dev check editors servers ## style, types, every architecture, real editors and browser, real servers
	@$(BIN)/python -m pytest tests/architectures tests/servers
	@$(BIN)/python -m pytest tests/editors
	@$(BIN)/python -m pytest tests/browser

check: .venv/dev ## style, types, import layers
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

editors: .venv/dev ## real VS Code, Neovim and Emacs for the tests, into .editors
	@scripts/editors.sh

servers: .venv/dev ## llama.cpp's own server and PostgreSQL for the tests; without one its tests are skipped
	@scripts/servers.sh

wheel: .venv/dev ## a wheel with the weights inside, into dist
	@$(PIP) build && $(BIN)/python -m build --wheel --outdir dist

clean: ## forget all set-up
	rm -rf .venv .editors build dist

.venv/python: # the environment itself
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "codecompose-ls needs Python 3.10 or newer: make PYTHON=python3.11 ..."; exit 2; }
	@echo "setting up .venv ..." && $(PYTHON) -m venv .venv && touch $@

.venv/run: .venv/python pyproject.toml constraints.txt
	@$(PIP) --editable . && touch $@

.venv/dev: .venv/run
	@$(PIP) --editable '.[tune,serve,otel,evaluate,dev]' && touch $@
