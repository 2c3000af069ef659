# `make demo` and `make test` need Python and a C compiler, nothing else: each makes the virtual
# environment it runs in. The other targets are for work on the project.
#
#   PYTHON=python3.12   the interpreter to make the environment with
#   VENV=/some/where    where to make it
#   ARGS="..."          passed on to growable demo or bench, pytest, ruff check or ctest

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
SOURCES := pyproject.toml CMakeLists.txt README.md LICENSE \
    $(shell find csrc python -type f ! -name '*.pyc')
COVERAGE_VENV := $(VENV)-coverage

# $(call make_venv,FOLDER) makes the environment anew, but leaves one alone that is not from here.
define make_venv
	@if { [ -e '$(1)' ] || [ -L '$(1)' ]; } && [ ! -e '$(1)/.made' ]; then \
	    echo "$(1) exists, was not made by this Makefile, and stays as it is." >&2; \
	    echo "Name another place for the environment: make $(MAKECMDGOALS) VENV=/some/where" >&2; \
	    exit 1; \
	fi
	rm -rf '$(1)'
	$(PYTHON) -m venv '$(1)' || { rm -rf '$(1)'; exit 1; }
endef

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo bench bench-full test test-windows lint format types ctest coverage clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | \
	    awk -F'|' '{printf "  %-16s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## see it work on real files, beside the built-in ways
	$(BIN)/growable demo $(ARGS)

bench: $(VENV)/.bench ## the short benchmarks into benchmarks/results/ (minutes; leave the machine alone)
	$(BIN)/growable bench --output benchmarks/results --progress $(ARGS)

bench-full: $(VENV)/.bench ## the whole grid (an hour and a half)
	$(BIN)/growable bench --full --output benchmarks/results --progress $(ARGS)

test: $(VENV)/.test ## run the tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev ## check style
	$(BIN)/ruff check . $(ARGS)
	$(BIN)/ruff format --check .

format: $(VENV)/.dev ## put the Python files into style
	$(BIN)/ruff check --fix --exit-zero --quiet .
	$(BIN)/ruff format .

types: $(VENV)/.dev ## check types, and the stubs against what is installed
	$(BIN)/mypy
	$(BIN)/python -P -m mypy.stubtest --mypy-config-file pyproject.toml growable

ctest: $(VENV)/.cmake ## build and run the C tests
	PATH="$(abspath $(BIN)):$$PATH" cmake --preset dev
	PATH="$(abspath $(BIN)):$$PATH" cmake --build --preset dev -j2
	PATH="$(abspath $(BIN)):$$PATH" ctest --preset dev $(ARGS)

test-windows: ## the C and the Python tests for Windows, under Wine 8 and 10 (long; on Debian)
	PYTHON="$(PYTHON)" ARGS="$(ARGS)" .ci/wine all

coverage: $(COVERAGE_VENV)/.made ## lines of csrc/ that the Python tests reach
	rm -rf build/coverage
	$(COVERAGE_VENV)/bin/python -m pip --quiet install --force-reinstall --no-deps \
	    -C cmake.define.GROWABLE_COVERAGE=ON -C build-dir=build/coverage .
	$(COVERAGE_VENV)/bin/python -m pytest -q $(ARGS)
	$(COVERAGE_VENV)/bin/gcovr --root . --filter csrc/ build/coverage

clean: ## remove what was built
	rm -rf build dist
	for venv in '$(VENV)' '$(COVERAGE_VENV)'; do \
	    if [ -e "$$venv/.made" ]; then rm -rf "$$venv"; fi; \
	done

$(VENV)/.made: pyproject.toml
	$(call make_venv,$(VENV))
	touch $@

$(VENV)/.demo: $(VENV)/.made $(SOURCES)
	$(PIP) install '.[cli]' numpy
	touch $@

$(VENV)/.bench: $(VENV)/.made $(SOURCES)
	$(PIP) install '.[bench]'
	touch $@

$(VENV)/.test: $(VENV)/.made $(SOURCES)
	$(PIP) install '.[test]'
	touch $@

$(VENV)/.dev: $(VENV)/.made $(SOURCES)
	$(PIP) install '.[dev]'
	touch $@

$(VENV)/.cmake: $(VENV)/.made
	$(PIP) install cmake ninja
	touch $@

$(COVERAGE_VENV)/.made: pyproject.toml
	$(call make_venv,$(COVERAGE_VENV))
	$(COVERAGE_VENV)/bin/python -m pip --quiet install '.[dev]'
	touch $@
