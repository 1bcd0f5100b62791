# Everything here runs in .venv, which the first target that needs it makes. Only Python 3.11+ and make are needed.

BUDGET ?= quick
JOBS ?=
PYTHON ?=

candidates := $(if $(PYTHON),'$(PYTHON)',python3 python3.13 python3.12 python3.11)
python := .venv/bin/python
pip := $(python) -m pip --disable-pip-version-check
# A process of tests for every core; more than four would want more memory than they save time.
workers := -n auto --maxprocesses 4 --dist worksteal

# A virtual environment remembers where it was installed from: after the checkout is moved or copied, install again.
ifneq ($(shell cat .venv/.installed-from 2>/dev/null),$(shell pwd))
moved := moved
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help verify test test-full bench lint figures clean moved

help:  ## list the targets
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  %-10s %s\n' "$$name" "$$what"; done

verify: .venv/.runtime  ## verify every claim [BUDGET=quick|standard|paper] [JOBS=N]
	.venv/bin/theorylab verify --budget '$(BUDGET)'$(if $(JOBS), --jobs '$(JOBS)')

test: .venv/.dev  ## run the test suite
	$(python) -m pytest -q -m 'not full' $(workers)

test-full: .venv/.dev  ## run the test suite with the long form of every test
	$(python) -m pytest -q $(workers)

bench: .venv/.dev  ## run the speed comparisons
	$(python) -m pytest -q tests/benchmarks --benchmark-enable --benchmark-only

figures: .venv/.runtime  ## draw every figure into out/figures [BUDGET=...]
	.venv/bin/theorylab figures --budget '$(BUDGET)' -o out/figures

# The top-level folders become subpackages only on installation, so types and imports are checked in an installed copy.
# setuptools copies into build/ and never removes there: start from nothing, or deleted modules would come back.
lint: .venv/.dev  ## check style, types and who imports whom
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	@rm -rf build
	$(pip) install --quiet --no-deps --target build/lint .
	cd build/lint && ../../$(python) -m mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p theorylab
	cd build/lint && ../../$(python) ../../.venv/bin/lint-imports --config ../../pyproject.toml --no-cache --no-logo

clean:  ## remove what these targets made (results in out/ stay)
	@if [ -e .venv/.made-by-make ]; then rm -rf .venv; else rm -f .venv/.runtime .venv/.dev; fi
	rm -rf build dist theorylab.egg-info .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find derivations figures kernels sims tests theorylab -name __pycache__ -type d -prune -exec rm -rf {} +

$(python):
	@found=; for name in $(candidates); do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$name; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "No Python 3.11 or newer found as $(candidates): install one, or say where it is with PYTHON=..." >&2; exit 1; fi; \
	echo "Making .venv with $$found"; \
	if ! "$$found" -m venv --clear .venv; then \
	  rm -rf .venv; echo "$$found cannot make virtual environments (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; \
	fi; \
	touch .venv/.made-by-make

.venv/.runtime: pyproject.toml $(moved) | $(python)
	@echo 'Installing theorylab and what it needs into .venv'
	@$(pip) install --quiet --editable .
	@pwd > .venv/.installed-from
	@touch $@

.venv/.dev: pyproject.toml $(moved) | $(python)
	@echo 'Installing theorylab, what it needs and its test tools into .venv'
	@$(pip) install --quiet --editable '.[dev]'
	@pwd > .venv/.installed-from
	@touch .venv/.runtime $@
