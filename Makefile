# What an administrator types. Everything it needs it installs itself: Python packages into a virtual environment in the cache,
# Debian packages (qemu, mmdebstrap) with apt-get, through sudo where it must, saying so first.

SHELL := /bin/bash
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lunmirror
PYTHON ?= python3
# LAB=bookworm or LAB=trixie: only that release's lab.
LABS := $(or $(LAB),bookworm trixie)
# A new environment whenever what it should hold changes, and one for each Python: make check PYTHON=python3.12
VENV := $(CACHE)/venv-$(shell sha256sum pyproject.toml | cut -c1-12)$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
WHEEL = $(shell ls -t $(CACHE)/wheel/lunmirror-*.whl 2>/dev/null | head -n 1)

prefix ?= /usr/local
sysconfdir ?= /etc
unitdir ?=
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo lab check format generate test test-unit test-install test-install-core test-lab test-lab-all fuzz soak bench lint wheel lab-image lab-images deb install uninstall wheels install-files clean
help:
	@echo "make demo       from nothing to a mounted mirror, on a real kernel with two real storage servers"
	@echo "make check      style, types, unit and contract tests: before each commit"
	@echo "make test       all tests that fit in half an hour; make test-lab: the whole lab matrix; make test-install: each way in"
	@echo "make fuzz       a million broken inputs"
	@echo "make soak       fifteen minutes of outages under a writer"
	@echo "make lab        a shell in the lab machine"
	@echo "make bench      what a run with nothing to do costs"
	@echo "make install    program, units, manual (DESTDIR, prefix, WHEELS); make uninstall undoes it"

# Of pyproject.toml the name speaks already: by its time each new clone would install everything again.
$(BIN)/pytest:
	@echo "== Python packages for development, into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check $$($(PYTHON) contrib/requirements.py test)

wheel: $(BIN)/pytest
	@rm -rf $(CACHE)/wheel && mkdir -p $(CACHE)/wheel
	@$(BIN)/pip wheel --quiet --no-deps --wheel-dir $(CACHE)/wheel . && ls $(CACHE)/wheel

deb:
	@$(PYTHON) packaging/deb.py --out $(or $(OUT),dist)

lab-image:
	@$(PYTHON) contrib/lab/lab build

lab-images:
	@for release in $(LABS); do LAB=$$release $(PYTHON) contrib/lab/lab build || exit 1; done

# The lab tests that $(1) chooses, on each release: all of them, even if those of the first fail.
each-lab = @code=0; for release in $(LABS); do echo "== lab of $$release"; \
	LAB=$$release LUNMIRROR_WHEEL=$(WHEEL) $(BIN)/pytest -q tests/lab $(1) || code=1; done; exit $$code

demo: wheel lab-image
	@$(PYTHON) contrib/lab/demo.py --wheel $(WHEEL)

lab: wheel lab-image
	@$(PYTHON) contrib/lab/lab shell --wheel $(WHEEL)

lint: $(BIN)/pytest
	@$(BIN)/ruff check . && $(BIN)/ruff format --check src tests && $(BIN)/mypy --strict src

# What `make check` would complain of, as far as a program can set it right.
format: $(BIN)/pytest
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format src tests

# One test process a core; what is left over when one is done goes to the other.
PARALLEL := -n auto --dist worksteal

# What a change is tried with: style, types, and the tests that need no simulated or real outage; or those in TESTS.
TESTS ?= tests/unit tests/contract
check: lint
	@$(BIN)/pytest -q $(PARALLEL) $(TESTS)

# What is made from the code: the reference, the JSON Schema, the manual page, completion for shells.
generate: $(BIN)/pytest
	@for made in config.docs cli.manual cli.completion; do PYTHONPATH=src $(BIN)/python -m lunmirror.$$made || exit 1; done

test-unit: $(BIN)/pytest
	@$(BIN)/pytest -q $(PARALLEL) tests --ignore tests/lab --ignore tests/install

# Each way in, on fresh systems of both releases, which are made once and kept in the cache.
test-install: $(BIN)/pytest
	@$(BIN)/pytest -q tests/install --durations=10

test-install-core: $(BIN)/pytest
	@$(BIN)/pytest -q tests/install -m core --durations=10

# On the second release a smaller core: all of it twice would take too long.
test: lint test-unit test-install-core wheel lab-images
	$(call each-lab,-m "core$$([ $$release = bookworm ] || echo ' and not once')" --durations=15)

# test-lab-all also runs what has not been green in the lab yet (marked unproven; docs/evidence.md has no passed row of it).
test-lab: WHICH = -m "not unproven"
test-lab test-lab-all: lint test-unit wheel lab-images
	$(call each-lab,$(WHICH) --durations=0 --evidence docs/evidence.md)

# Until an input breaks something, or a million have not; `make test` has a minute of the same (tests/fuzz).
fuzz: $(BIN)/pytest
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check $$($(PYTHON) contrib/requirements.py fuzz)
	@$(BIN)/python tests/fuzz/long.py

# Outages one after the other: SOAK=3600 make soak for an hour.
soak: wheel lab-image
	@SOAK=$(or $(SOAK),900) LUNMIRROR_WHEEL=$(WHEEL) $(BIN)/pytest -q -s tests/lab/test_soak.py --evidence docs/evidence.md

bench: wheel lab-image
	@$(BIN)/python contrib/bench/native.py
	@$(PYTHON) contrib/lab/bench.py --wheel $(WHEEL)

# The program with its dependencies in an environment of its own under the prefix, a link to it in bin, and the files
# that src/lunmirror/files/files.toml lists. Nothing is enabled: docs/install.md. WHEELS: a directory to take the
# dependencies from, in place of the network; `make wheels WHEELS=DIRECTORY` fills it.
INSTALL = @$(PYTHON) packaging/install.py
PLACES = --root "$(or $(DESTDIR),/)" --prefix "$(prefix)" --sysconfdir "$(sysconfdir)" --unitdir "$(unitdir)"

install:
	$(INSTALL) install $(PLACES) --wheels "$(WHEELS)"

uninstall:
	$(INSTALL) uninstall $(PLACES)

wheels:
	$(INSTALL) wheels --wheels "$(WHEELS)"

# All but the program: manual page, units, drop-ins, examples, cron line.
install-files:
	$(INSTALL) files $(PLACES)

clean:
	rm -rf build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis demo-out fuzz-out
