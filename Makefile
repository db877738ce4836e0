# The one front door. `make demo` and `make test` set up all they need by themselves; everything lands in .work/ (git-ignored).
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := $(CURDIR)/.work/venv
COLLECTIONS := $(CURDIR)/.work/collections
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_COLLECTIONS_PATH := $(COLLECTIONS)
# The sandbox is a Python package of the tests: python -m sandbox
export PYTHONPATH := $(CURDIR)/tests
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.ready: requirements.txt test-requirements.txt tests/fetch_collections.py
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r test-requirements.txt
	$(VENV)/bin/pip check
	$(VENV)/bin/python tests/fetch_collections.py $(COLLECTIONS)
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## Python environment and collections
	@$(VENV)/bin/python tests/fetch_collections.py $(COLLECTIONS)

.PHONY: sandbox sandbox-down
sandbox: setup ## start the sandbox (or find it running)
	python -m sandbox up

sandbox-down: setup ## stop the sandbox and leave nothing running
	python -m sandbox down
