# make setup | demo | test | lint | bench | bench-checks | pictures — each does the set-up that it needs, on a fresh machine with
# Python >= 3.11 and a package index. Nothing is installed outside of .venv but, as root with apt, bubblewrap and (for
# tests) Chromium and PostgreSQL.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PACKAGES := 'import sysconfig; print(sysconfig.get_path("purelib"))'
UV_COMPILE := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --no-header --no-annotate

.PHONY: setup demo test lint bench bench-checks pictures lock isolation r chromium postgresql clean

setup: .venv/.dev .venv/.analysis isolation r

demo: .venv/.app .venv/.analysis isolation
	$(BIN)/counterproof demo -o counterproof-demo.zip

test: setup chromium postgresql .venv/.validators .venv/.mlflow .venv/.privacy .venv/.measures .venv/.local-models
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup chromium .venv/.sdv
	$(BIN)/python -m tests.bench.bench --json bench.json

# The planted-flaw suite: which checks find which flaw, and what they say of the sound twins (docs/checks.md).
bench-checks: setup
	$(BIN)/python -m tests.flaws.bench

# Pictures of every page and state of the app, at 1280 and 390 pixels; fails when one does not fit.
pictures: setup chromium
	$(BIN)/python -m tests.ui.pictures docs/pictures

# Versions are resolved anew; needs `uv`. No index address ends up in a lock.
lock:
	$(UV_COMPILE) pyproject.toml requirements/build.in -o requirements/app.lock
	$(UV_COMPILE) pyproject.toml requirements/build.in --group dev --extra e2b --extra bwrap --extra shared --extra hpc --extra dp --extra keyring --extra images -c requirements/app.lock -o requirements/dev.lock
	$(UV_COMPILE) requirements/validators.in -o requirements/validators.lock
	$(UV_COMPILE) requirements/mlflow.in -o requirements/mlflow.lock
	$(UV_COMPILE) requirements/privacy.in -o requirements/privacy.lock
	$(UV_COMPILE) requirements/measures.in --excludes requirements/measures.excludes -o requirements/measures.lock
	$(UV_COMPILE) requirements/local-models.in --excludes requirements/local-models.excludes -o requirements/local-models.lock
	$(UV_COMPILE) requirements/sdv.in --excludes requirements/sdv.excludes -o requirements/sdv.lock
	$(UV_COMPILE) sandbox/environments/python/requirements.in -o sandbox/environments/python/requirements.lock

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv is missing. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

.venv/.app: requirements/app.lock pyproject.toml setup.py | .venv/bin/python
	@echo "setup: installing the application from its lock"
	@$(PIP) install --require-hashes -r requirements/app.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 0 agents provenance sandbox scenarios tools ui
	@touch $@

.venv/.dev: .venv/.app requirements/dev.lock
	@echo "setup: installing the tools for tests from their lock"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@

# Other people's verifiers of bundles, which the tests run; they can't share an environment with the tools for tests.
.venv/.validators: requirements/validators.lock | .venv/bin/python
	@echo "setup: installing other people's verifiers from their lock"
	@$(BIN)/python -m venv --clear .venv/validators
	@.venv/validators/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/validators.lock
	@touch $@

# A server that spans are sent to in the tests (50 MB to load, 210 MB installed).
.venv/.mlflow: requirements/mlflow.lock | .venv/bin/python
	@echo "setup: installing MLflow, which the tests send spans to, from its lock"
	@$(BIN)/python -m venv --clear .venv/mlflow
	@.venv/mlflow/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/mlflow.lock
	@touch $@

# ACRO, Anonymeter and SDMetrics, which the tests hold the disclosure checks, the twin and the evaluation card against;
# they want an older NumPy.
.venv/.privacy: requirements/privacy.lock | .venv/bin/python
	@echo "setup: installing ACRO, Anonymeter and SDMetrics from their lock"
	@$(BIN)/python -m venv --clear .venv/privacy
	@.venv/privacy/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/privacy.lock
	@touch $@

# mostlyai-qa and syntheval, which the tests hold the evaluation card against (1 GB installed, 80 s). Without
# dependencies that the lock leaves out on purpose (requirements/measures.excludes).
.venv/.measures: requirements/measures.lock | .venv/bin/python
	@echo "setup: installing mostlyai-qa and syntheval from their lock"
	@$(BIN)/python -m venv --clear .venv/measures
	@.venv/measures/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements/measures.lock
	@touch $@

# PyTorch and transformers, for the tests of models in a folder (250 MB to load, 1 GB installed). PyTorch comes by its
# version alone: its builds differ by platform and by graphics card, and no lock holds them all. The application is seen
# from there through the path of its own environment.
.venv/.local-models: requirements/local-models.lock | .venv/.dev
	@echo "setup: installing PyTorch and transformers, for the tests of models in a folder"
	@$(BIN)/python -m venv --clear .venv/local-models
	@.venv/local-models/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/local-models.lock
	@.venv/local-models/bin/python -m pip --disable-pip-version-check --quiet install torch==2.13.0
	@echo "import site; site.addsitedir('$$($(BIN)/python -c $(PACKAGES))')" \
		> "$$(.venv/local-models/bin/python -c $(PACKAGES))/counterproof.pth"
	@touch $@

# SDV, which `make bench` times the twin against; under the Business Source License, and no dependency of anything else.
# Without dependencies that the lock leaves out on purpose (requirements/sdv.excludes).
.venv/.sdv: requirements/sdv.lock | .venv/bin/python
	@echo "setup: installing SDV, for the bench alone, from its lock"
	@$(BIN)/python -m venv --clear .venv/sdv
	@.venv/sdv/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r requirements/sdv.lock
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

# The tests start a server of their own, in a folder of their own; the one that the package may start is not used.
postgresql:
	@if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "setup: installing PostgreSQL, for the tests of stores that several machines share"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null; fi

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis bench.json counterproof-demo.zip
