# What a person types. Everything it needs it installs itself: Python packages into a virtual environment in the cache,
# Debian packages (qemu, mmdebstrap) with apt-get, through sudo where it must, saying so first.

SHELL := /bin/bash
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lunmirror
PYTHON ?= python3
# A new environment whenever what it should hold changes.
VENV := $(CACHE)/venv-$(shell sha256sum pyproject.toml | cut -c1-12)
BIN := $(VENV)/bin
WHEEL = $(shell ls -t $(CACHE)/wheel/lunmirror-*.whl 2>/dev/null | head -n 1)

prefix ?= /usr/local
sysconfdir ?= /etc
unitdir ?= /lib/systemd/system
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo lab test test-unit test-lab bench lint wheel lab-image install clean
help:
	@echo "make demo       from nothing to a mounted mirror, on a real kernel with two real storage servers"
	@echo "make test       all tests that fit in half an hour; make test-lab: the whole lab matrix"
	@echo "make lab        a shell in the lab machine"
	@echo "make bench      what a run with nothing to do costs"
	@echo "make install    program, configuration, units (DESTDIR, prefix)"

$(BIN)/pytest: pyproject.toml
	@echo "== Python packages for development, into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check $$($(PYTHON) contrib/requirements.py test)
	@touch $@

wheel: $(BIN)/pytest
	@rm -rf $(CACHE)/wheel && mkdir -p $(CACHE)/wheel
	@$(BIN)/pip wheel --quiet --no-deps --wheel-dir $(CACHE)/wheel . && ls $(CACHE)/wheel

lab-image:
	@$(PYTHON) contrib/lab/lab build

demo: wheel lab-image
	@$(PYTHON) contrib/lab/demo.py --wheel $(WHEEL)

lab: wheel lab-image
	@$(PYTHON) contrib/lab/lab shell --wheel $(WHEEL)

lint: $(BIN)/pytest
	@$(BIN)/ruff check . && $(BIN)/ruff format --check src tests

test-unit: $(BIN)/pytest
	@$(BIN)/pytest -q tests --ignore tests/lab

test: lint test-unit wheel lab-image
	@LUNMIRROR_WHEEL=$(WHEEL) $(BIN)/pytest -q tests/lab -m "core" --durations=15

test-lab: lint test-unit wheel lab-image
	@LUNMIRROR_WHEEL=$(WHEEL) $(BIN)/pytest -q tests/lab --durations=0 --evidence docs/evidence.md

bench: wheel lab-image
	@$(PYTHON) contrib/lab/bench.py --wheel $(WHEEL)

clean:
	rm -rf build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis demo-out
