# make demo   simulate, learn, map and report on a laptop; prints where the report is
# make test   every test (those that need a GPU, or root and Slurm, say why they skip)
# make lint   ruff, snakefmt, snakemake --lint
# make env    only the environment: .venv, with the versions of constraints.txt
#
# CORES=2 make demo                 limit the cores
# make test PYTEST='-k workflow'    pass options to pytest
# JOBS=4 make test                  test files side by side (default: 3, on fewer than 4 cores 2)

SHELL := /bin/sh
VENV := .venv
CORES ?= all
PYTEST ?=
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); if [ $$n -lt 4 ]; then echo 2; else echo 3; fi)
# the first interpreter that is new enough; PYTHON=... overrides
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: demo test lint env

env: $(VENV)/.ready

# remade when what it was made from changes, or when its interpreter is gone
$(VENV)/.ready: pyproject.toml setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "make: weiss needs Python 3.11 or newer; name one with PYTHON=..." >&2; exit 1; }
	@$(VENV)/bin/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: env
	$(VENV)/bin/snakemake --profile profiles/local --cores $(CORES) --configfile config/demo.yaml
	@echo
	@echo "Report: $(CURDIR)/results/demo/report/index.html"

test: env
	$(VENV)/bin/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST)

lint: env
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/snakemake --lint
