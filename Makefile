# make        set up, run the main job, write its tables into README.md
# make test   set up, run the tests (what CI runs)
# Needs Python 3.11 to 3.13 with venv; with uv on PATH not even that: uv fetches a Python where none fits.

SHELL := /bin/bash
VENV ?= .venv
# Every candidate on PATH is tried: one may be a shim with no Python behind it, or a Python without venv.
FITS := import ensurepip, sys, venv; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit(1); print(sys.executable)
PYTHON ?= $(shell type -ap python3.13 python3.12 python3.11 python3 | \
	while read -r p; do "$$p" -c '$(FITS)' </dev/null 2>/dev/null && break; done)
BENCH := $(VENV)/bin/bench

.PHONY: all test check lock performance peers clean
all: $(VENV)/.ok
	$(BENCH) sweep sweeps/urban_rural.yaml; code=$$?; $(BENCH) report && exit $$code  # a failed run stands in the tables

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

# The stamp comes last: a set-up that broke off is done again.
$(VENV)/.ok: pyproject.toml constraints.txt
	@command -v uv >/dev/null || test -n "$(PYTHON)" || { \
		echo "make: no Python 3.11 to 3.13 with venv found; name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "setting up $(VENV); the first time loads about 5 GB" >&2
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$(or $(PYTHON),3.13)" $(VENV) && \
		uv pip install --quiet --python $(VENV)/bin/python -c constraints.txt -e '.[dev]'; \
	else \
		"$(PYTHON)" -m venv $(VENV) && \
		$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

# What the speed comparisons compare with (Lightning, Accelerate, Albumentations), in an environment of its own.
peers: $(VENV)/.ok
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python $(VENV)/bin/python .venv-peers && \
		uv pip install --quiet --python .venv-peers/bin/python -c constraints.txt -r tests/performance/peers/requirements.txt; \
	else \
		$(VENV)/bin/python -m venv .venv-peers && \
		.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r tests/performance/peers/requirements.txt; \
	fi

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
