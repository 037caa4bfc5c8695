# make        set up, run the main job, write its tables into README.md
# make test   set up, run the tests (what CI runs)
# Needs Python 3.11 to 3.13 with venv.  uv is used when it is there.

SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo "$$p" && break; done)
BENCH := $(VENV)/bin/bench

.PHONY: all test check lock performance clean
all: $(VENV)/.ok
	$(BENCH) sweep sweeps/urban_rural.yaml
	$(BENCH) report

test: $(VENV)/.ok check
	$(VENV)/bin/python -m pytest

check: $(VENV)/.ok
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Speed comparisons: run on purpose, on a quiet machine.
performance: $(VENV)/.ok
	$(VENV)/bin/python -m pytest -m performance -s tests/performance

# One set of pinned versions for every platform; names and versions only.
lock:
	uv pip compile --universal --all-extras --no-header --no-annotate pyproject.toml -o constraints.txt

$(VENV)/.ok: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 to 3.13 with venv found; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$(PYTHON)" $(VENV) && \
		VIRTUAL_ENV=$(abspath $(VENV)) uv pip install --quiet -c constraints.txt -e '.[dev]'; \
	else \
		"$(PYTHON)" -m venv $(VENV) && \
		$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
