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
# Compiled Python is kept, but not in the clone. Many images forbid to keep any: every process would compile all it imports.
export PYTHONPYCACHEPREFIX := $(CURDIR)/.work/pycache
unexport PYTHONDONTWRITEBYTECODE

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

# The first build takes a quarter of an hour and says how far it is, which tests would swallow.
.PHONY: binaries
binaries: setup ## the sandbox's programs, found or built
	python -m sandbox build

.PHONY: sandbox sandbox-down
sandbox: setup ## start the sandbox, or find it running (KOF_LINE as for demo)
	python -m sandbox up --data default

sandbox-down: setup ## stop the sandbox and leave nothing running
	python -m sandbox down

.PHONY: demo
demo: sandbox ## start the sandbox, run site.yml on it, and say what to look at next (KOF_LINE=0.0.x: another line of kof)
	ansible-playbook -i inventories/sandbox playbooks/site.yml
	@python -m sandbox next-steps

.PHONY: lint sanity unit sandbox-test molecule acceptance acceptance-own acceptance-shared acceptance-bare acceptance-long test-cores newest-core
lint: setup ## ruff, mypy, ansible-lint (profile production)
	ruff check .
	ruff format --check .
	mypy
	python -m forked.around ansible-lint

sanity: setup ## ansible-test sanity, on a copy
	tests/sanity.sh $(COLLECTIONS)

unit: binaries ## unit and property tests
	pytest -m "not long" tests/unit

sandbox-test: binaries ## the sandbox's own tests
	pytest tests/sandbox/test

molecule: binaries ## one scenario per role, and of delete.yml, on one shared sandbox
	@# After a crashed run molecule believes that the sandbox still exists, and would skip its create.
	molecule reset -s default
	python -m forked.around molecule test --all

test-cores: binaries ## sanity, unit tests and site.yml twice on each ansible-core, with the Python of each
	python tests/cores.py

newest-core: binaries ## what touches Ansible itself, on the newest ansible-core that this machine has a Python for
	python tests/cores.py --newest --part plugins,site

TOPIC ?= *
acceptance: binaries ## what the issues ask to be shown: make acceptance TOPIC=site
	pytest -m "not long" $(wildcard tests/acceptance/test_$(TOPIC)*.py)

acceptance-own acceptance-shared acceptance-bare: acceptance-%: binaries ## its parts: servers of their own; one sandbox; one that is emptied
	pytest -m "not long and $*" tests/acceptance

acceptance-long: binaries ## the same with what takes minutes, what is promised on every line of kof, and more random cases of unit tests
	pytest -m long tests/unit
	pytest $(wildcard tests/acceptance/test_$(TOPIC)*.py)

# TEST="tests/unit/plugins/module_utils/kof/test_model.py -k domain"
.PHONY: try
try: setup ## one test, or a few: make try TEST="path -k words"
	pytest -q $(TEST)

# The longest first: nothing is left for the end that one core would do alone.
LANES := acceptance-shared unit acceptance-bare acceptance-own molecule newest-core sandbox-test sanity lint

.PHONY: test
test: binaries ## everything CI runs
	@# Three at a time, each with servers of its own: most of them wait for a control plane a third of the time.
	@rm -f .work/seconds; ended=0; \
	$(MAKE) --jobs=3 --keep-going --output-sync=target --no-print-directory $(LANES:%=lane-%) || ended=$$?; \
	python tests/budgets.py CONTRIBUTING.md .work/seconds; exit $$ended

# What `make test` has found already, and set up, is not done again by each.
.PHONY: $(LANES:%=lane-%)
$(LANES:%=lane-%): lane-%:
	@begun=$$(date +%s); ended=0; $(MAKE) --no-print-directory -o setup -o binaries $* || ended=$$?; \
	echo "$* $$(($$(date +%s) - begun))" >> .work/seconds; exit $$ended

# Nothing else should run on this machine meanwhile. BENCH="--rounds 1 --regions 3 --children 20" tries it in minutes.
BENCH ?= --page
.PHONY: bench
bench: binaries ## measure against kubectl, helm and kubernetes.core; writes .bench/ and docs/performance.md (an hour)
	python -m benchmarks $(BENCH)

.PHONY: build
build: setup ## the collection as a tarball
	ansible-galaxy collection build --force --output-path .work/build

.PHONY: clean
clean: sandbox-down ## remove what make made in this clone (caches of the user stay)
	rm -rf .work .sandbox .bench
