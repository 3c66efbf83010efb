# make demo   the bundled specification becomes a tested repository, answered from a recording: no key needed
# make test   every test of this project
# make check  lint, format, types (the layer test is among the tests)
# make perf   the measurements of the README's table (about half an hour; QUICK=--quick for a short look)
#
# Tests of the page are skipped where there is no Chromium, and `perf` asks for it by name: it is large, and only they need it.
# Each creates .venv and installs what it needs. System packages (bubblewrap, git, venv) are installed with apt where that is
# allowed, else named.

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
WORKERS := $(shell expr $$(nproc 2>/dev/null || echo 2) \* 3 / 2)  # tests wait for other processes half of the time
NEEDED := bwrap:bubblewrap git:git

.PHONY: demo test check perf install develop system clean
.DEFAULT_GOAL := demo

demo: install
	@$(BIN)/agent demo $(DEMO)

test: develop
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -q $(ARGS)  # each worker reads what one wrote

check: develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

perf: develop
	@for program in startup sandbox prompt_size makespan scale recut routing incremental resume constraint statistics runner page; do \
	  $(BIN)/python -m benchmark.perf.$$program $(QUICK) || exit 1; done

install: system $(VENV)/installed
develop: system $(VENV)/developed

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or later was not found; install it, for example with: apt-get install python3" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/developed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/installed

system:
	@missing=""; \
	for pair in $(NEEDED); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3 python3-venv"; \
	if [ -n "$$missing" ]; then \
	  if ! command -v apt-get >/dev/null; then echo "error: please install:$$missing" >&2; exit 2; fi; \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; elif command -v sudo >/dev/null; then sudo=sudo; \
	  else echo "error: please run as root: apt-get install$$missing" >&2; exit 2; fi; \
	  echo "installing$$missing"; \
	  $$sudo apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -q --no-install-recommends $$missing >/dev/null || \
	    { echo "error: please install:$$missing" >&2; exit 2; }; \
	fi

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
