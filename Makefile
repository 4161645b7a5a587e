# make setup | demo | test | lint | bench   — each does the set-up that it needs, on a fresh machine with Python >= 3.11
# and a package index. Nothing is installed outside of .venv but, as root with apt, bubblewrap and (for tests) Chromium.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV_COMPILE := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --no-header --no-annotate

.PHONY: setup demo test lint bench lock isolation r chromium clean

setup: .venv/.dev .venv/.analysis isolation r

demo: .venv/.app .venv/.analysis isolation
	$(BIN)/counterproof demo -o counterproof-demo.zip

test: setup chromium
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -P tests/bench/bench.py --json bench.json

# Versions are resolved anew; needs `uv`. No index address ends up in a lock.
lock:
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/app.lock
	$(UV_COMPILE) pyproject.toml requirements/build.in --group dev --extra e2b --extra bwrap -c requirements/app.lock -o requirements/dev.lock
	$(UV_COMPILE) sandbox/environments/python/requirements.in -o sandbox/environments/python/requirements.lock

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

.venv/.app: requirements/app.lock pyproject.toml setup.py | .venv/bin/python
	@echo "setup: installing the application from its lock"
	@$(PIP) install --require-hashes -r requirements/app.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.app requirements/dev.lock
	@echo "setup: installing the tools for tests from their lock"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

.venv/.analysis: .venv/.app sandbox/environments/python/requirements.lock
	@echo "setup: building the analysis environment that programs run in"
	@$(BIN)/counterproof sandbox build
	@touch $@

isolation: .venv/.app
	@if ! command -v bwrap >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "setup: installing bubblewrap, which isolates programs"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bubblewrap >/dev/null; fi
	@$(BIN)/counterproof sandbox check >/dev/null

# R comes from the distribution's packages (103 MB to load, 183 MB installed); without it everything but R programs works.
r: .venv/.app
	@$(BIN)/counterproof env build r --install >/dev/null || { [ "$${CI:-}" != true ] && echo "setup: going on without R"; }

chromium:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "setup: installing Chromium, for the tests of the pages"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; fi

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis bench.json counterproof-demo.zip
