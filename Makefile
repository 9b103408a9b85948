# Everything runs in .venv, which is made on the first call and again when pyproject.toml or
# constraints.txt change. PYTHON chooses the interpreter: make demo PYTHON=python3.12
# CPU or CUDA torch: docs/install.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format docs peers clean
.DELETE_ON_ERROR:

help: ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | \
		awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed-demo ## train on real data, search, report: the first thing to run
	@$(BIN)/interlingua demo

test: lint ## style, types, and the fast tests: what CI runs
	@$(BIN)/python -m pytest -q -m "not slow"

test-all: lint ## all tests; fetched data and weights must be there
	@INTERLINGUA_REQUIRE_DATA=1 $(BIN)/python -m pytest -q

lint: $(VENV)/.installed-test ## style, formatting and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.installed-test ## let ruff rewrite the files
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.installed-docs ## the guide as a site in site/, its links checked
	@$(BIN)/zensical build --strict
	@echo "Open site/index.html, or for its search box: $(BIN)/zensical serve"

peers: $(VENV)/.installed-demo ## .venv-peers: what the benchmarks compare with (several GB)
	@$(BIN)/python -m benchmarks --setup

clean: ## remove .venv and tool caches; runs and the data cache stay
	rm -rf $(VENV) site .cache .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Interlingua needs Python 3.11 or newer, and $(PYTHON) is older or absent." >&2; \
		  echo "  next:  make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "  next:  install the venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@touch $@

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing Interlingua into $(VENV) (about a minute) ..."
	@$(PIP_INSTALL) -e ".[demo]"
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-demo
	@$(PIP_INSTALL) -e ".[docs]"
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed-demo
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP_INSTALL) -e ".[test]"
	@touch $@
