# Everything a developer or CI runs. `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)

# The torch build is set here, not in requirements.txt, so that a GPU machine can choose another in one
# step (`make install TORCH=torch`). The choice is stored in the environment.
TORCH ?= $(or $(shell cat $(VENV)/.torch 2>/dev/null),torch==2.13.0)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test services coverage soak lint js lock sbom clean FORCE

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
	do printf '  make %-9s%s\n' "$$name" "$$text"; done

install: $(VENV)/.installed ## Create .venv with the command and the tools; TORCH=… chooses the torch build
	@echo "installed: $(BIN)/thermalwatch"

demo: install ## Run the product on a simulated plant; needs nothing else
	$(BIN)/thermalwatch demo

# Many tests wait for processes to die and restart, so more of them run at once than there are cores.
# Tests of one group share services that start slowly, so they run in one process.
PYTEST := $(BIN)/pytest -n 4 --dist loadgroup
test: lint js services ## All checks, then all tests, the faults included
	$(PYTEST)

# Counts what runs in the tests' own processes; there is no minimum. Apart from `make test`, because
# before Python 3.12 and its sys.monitoring counting takes a third of the tests' time.
coverage: install services ## All tests; what they cover, by package, and by line in build/coverage
	$(PYTEST) --cov --cov-report=html
	@echo 'statements covered, by package:'; for package in thermal storage producer worker ops; do \
	printf '  %-9s %3s %%\n' $$package "$$($(BIN)/coverage report --format=total --include="$$package/*")"; done

services: ## Install Chromium, PgBouncer and nginx for the tests that need them, if possible
	@PATH="$$PATH:/usr/sbin"; missing=; \
	command -v chromium chromium-browser google-chrome >/dev/null || missing='chromium fonts-dejavu-core'; \
	command -v pgbouncer >/dev/null || missing="$$missing pgbouncer"; \
	command -v nginx >/dev/null || missing="$$missing nginx"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	then echo "installed: $$missing"; \
	else echo "$$missing cannot be installed here: the tests that need them will be skipped"; fi

SOAK_MINUTES ?= 15
soak: install ## Run the whole system under faults for SOAK_MINUTES, then check that nothing was lost
	$(BIN)/python -m tests.faults.soak --minutes $(SOAK_MINUTES) $(SOAK_OPTIONS)

lint: install ## Lint, formatting, types, import rule
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Node is a development tool; the product never needs it. Without node or a registry these checks are
# skipped, with the reason.
js: ## Lint, types and unit tests of the pages' JavaScript, if node is installed
	@if ! command -v npm >/dev/null; then reason='node and npm are not installed'; \
	elif ! node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))'; then reason='node is older than 20'; \
	elif ! [ node_modules/.package-lock.json -nt package-lock.json ] && ! npm ci --silent; then reason='npm could not install its packages'; \
	else npx eslint . && npx tsc --project . && node --test tests/js/*.test.mjs; exit; fi; \
	echo "JavaScript not checked: $$reason"

# uv names the versions that the files have, so without --upgrade only what pyproject.toml changed moves.
lock: ## Write requirements.txt and requirements-dev.txt with uv; LOCK_OPTIONS=--upgrade takes new versions
	uv pip compile --quiet --python-version 3.11 $(LOCK_OPTIONS) pyproject.toml -o requirements.txt
	uv pip compile --quiet --python-version 3.11 $(LOCK_OPTIONS) --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

sbom: install ## Software bill of materials (CycloneDX) of .venv, in build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py environment --output-format JSON --output-file build/sbom.json $(BIN)/python

clean: ## Remove the environment, caches and the demo's data
	rm -rf $(VENV) build demo node_modules *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# setuptools is among the requirements, so the build needs nothing else.
$(VENV)/.installed: pyproject.toml requirements-dev.txt $(VENV)/.torch
	$(BIN)/pip install --require-hashes -r requirements-dev.txt
	$(BIN)/pip install --no-deps --no-build-isolation -e .
	@touch $@

# Always runs, but does something only if the environment is missing or TORCH names another build.
$(VENV)/.torch: FORCE
	@if [ "$$(cat $@ 2>/dev/null)" = '$(TORCH)' ]; then exit 0; fi; set -ex; \
	'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'; \
	'$(PYTHON)' -m venv $(VENV); \
	$(BIN)/pip install --require-hashes -r requirements.txt; \
	$(BIN)/pip install $(TORCH); \
	echo '$(TORCH)' > $@
