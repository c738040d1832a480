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

.PHONY: help demo lab test test-unit test-lab test-lab-all fuzz soak bench lint wheel lab-image install install-files clean
help:
	@echo "make demo       from nothing to a mounted mirror, on a real kernel with two real storage servers"
	@echo "make test       all tests that fit in half an hour; make test-lab: the whole lab matrix"
	@echo "make fuzz       a million broken inputs"
	@echo "make soak       fifteen minutes of outages under a writer"
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

# test-lab-all also runs what has not been green in the lab yet (marked unproven; docs/evidence.md has no passed row of it).
test-lab: WHICH = -m "not unproven"
test-lab test-lab-all: lint test-unit wheel lab-image
	@LUNMIRROR_WHEEL=$(WHEEL) $(BIN)/pytest -q tests/lab $(WHICH) --durations=0 --evidence docs/evidence.md

# Until an input breaks something, or a million have not; `make test` has a minute of the same (tests/fuzz).
fuzz: $(BIN)/pytest
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check $$($(PYTHON) contrib/requirements.py fuzz)
	@$(BIN)/python tests/fuzz/long.py

# Outages one after the other: SOAK=3600 make soak for an hour.
soak: wheel lab-image
	@SOAK=$(or $(SOAK),900) LUNMIRROR_WHEEL=$(WHEEL) $(BIN)/pytest -q -s tests/lab/test_soak.py --evidence docs/evidence.md

bench: wheel lab-image
	@$(PYTHON) contrib/lab/bench.py --wheel $(WHEEL)

# Staged by DESTDIR for packagers; the dependencies are the distribution's or pip's to bring (pyproject.toml).
# Nothing is enabled: systemctl enable --now lunmirror.service lunmirror.timer (docs/boot.md)
# Debian's own Python adds "local" to every prefix that it is given, and leaves that off only for its own packages.
install: wheel install-files
	case "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_preferred_scheme("prefix"))'):$(prefix)" in \
	  posix_local:*/local) into=$(patsubst %/local,%,$(prefix)) ;; \
	  posix_local:*) into=$(prefix) && export DEB_PYTHON_INSTALL_LAYOUT=deb_system ;; \
	  *) into=$(prefix) ;; \
	esac && \
	$(PYTHON) -m pip install --quiet --no-deps --no-warn-script-location --root-user-action ignore --ignore-installed \
	  --root "$(or $(DESTDIR),/)" --prefix $$into $(WHEEL)
	test -x $(DESTDIR)$(prefix)/bin/lunmirror  # where the units look for it

# All but the program: configuration, manual page, units, drop-ins, cron line.
install-files:
	install -d -m 0755 $(DESTDIR)$(sysconfdir)/lunmirror $(DESTDIR)$(unitdir) $(DESTDIR)$(prefix)/share/man/man8 $(DESTDIR)$(prefix)/share/lunmirror/cron $(DESTDIR)$(prefix)/libexec/lunmirror
	test -e $(DESTDIR)$(sysconfdir)/lunmirror/lunmirror.toml || install -m 0600 etc/lunmirror/lunmirror.toml $(DESTDIR)$(sysconfdir)/lunmirror/
	install -m 0644 etc/lunmirror/lunmirror.schema.json $(DESTDIR)$(sysconfdir)/lunmirror/
	install -m 0644 docs/lunmirror.8 $(DESTDIR)$(prefix)/share/man/man8/
	install -m 0755 contrib/libexec/release-mounts $(DESTDIR)$(prefix)/libexec/lunmirror/
	sed 's#^PATH=#PATH=$(prefix)/bin:#' contrib/cron/lunmirror > $(DESTDIR)$(prefix)/share/lunmirror/cron/lunmirror
	for unit in $$(cd contrib/systemd && find . -type f); do \
	  install -d $(DESTDIR)$(unitdir)/$$(dirname $$unit) && \
	  sed -e 's#/usr/local/sbin/lunmirror#$(prefix)/bin/lunmirror#' -e 's#/usr/local/libexec/#$(prefix)/libexec/#' \
	    contrib/systemd/$$unit > $(DESTDIR)$(unitdir)/$$unit || exit 1; \
	done

clean:
	rm -rf build dist src/*.egg-info .pytest_cache .ruff_cache .hypothesis demo-out fuzz-out
