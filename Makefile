# Every target does its own set-up; a fresh clone needs Python 3.11 or newer and make, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_VENV := .venv-bench
BENCH_READY := $(BENCH_VENV)/.ready

export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test lint bench clean lock
.DELETE_ON_ERROR:

help:  ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

setup: $(READY)  ## Install into .venv and create the empty warehouse
	@$(BIN)/clickstream prepare

demo: $(READY)  ## Load the shipped exports, build and test the marts, publish them
	@$(BIN)/clickstream run

ui: $(READY)  ## Show the asset graph in Dagster, on this machine only
	@$(BIN)/clickstream ui

# Half of the tests' time is dbt, which keeps one core busy: two files of tests at a time, the pipelines first,
# for the longest tests are there.
test: lint  ## Lint, then run every test
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# With a data folder of its own: it neither waits for a run nor leaves an empty warehouse behind.
lint: export CLICKSTREAM_DATA_DIR := $(CURDIR)/$(VENV)/lint
lint: $(READY)  ## Check Python, SQL and the dbt project
	@mkdir -p $(CLICKSTREAM_DATA_DIR)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/dbt --quiet --warn-error parse --project-dir dbt_project --profiles-dir .
	PYTHONWARNINGS=ignore:resource_tracker $(BIN)/sqlfluff lint --processes 2 --disable-progress-bar dbt_project/models tests/data

SIZE ?= 1000000
PAIRS ?= 3
bench: $(READY) $(BENCH_READY)  ## Measure beside the limit and other engines (SIZE=10000000 BIG_FILE=1)
	$(BIN)/python -m benchmarks.loading --events $(SIZE) --pairs $(PAIRS) $(if $(BIG_FILE),--big-file)
	$(BIN)/python -m benchmarks.building --events $(SIZE) --pairs $(PAIRS)
	$(BIN)/python -m benchmarks.increments --events $(SIZE) --pairs $(PAIRS)
	$(BIN)/python -m benchmarks.questions --events $(SIZE) --pairs $(PAIRS)

clean:  ## Remove the environment and the caches; data/ stays
	rm -rf $(VENV) $(BENCH_VENV) .venv-lock build *.egg-info logs .pytest_cache .ruff_cache .hypothesis \
		dbt_project/target dbt_project/logs
	find orchestration tests -name __pycache__ -type d -prune -exec rm -rf {} +

lock: $(READY)  ## Write the two lock files anew from pyproject.toml
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet 'uv>=0.9'
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-header --no-annotate --no-strip-extras --upgrade \
		--output-file requirements.lock pyproject.toml
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --group bench \
		--generate-hashes --no-header --no-annotate --no-strip-extras --upgrade \
		--output-file requirements-bench.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1);" \
			"expected Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing into $(VENV) (about a minute, once) …"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes --no-compile -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@# Where Python may write no bytecode (containers), every dbt would compile for two seconds first.
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

# The engines that we are measured against, in an environment of their own.
$(BENCH_READY): requirements-bench.lock
	@echo "Installing ClickHouse and Polars into $(BENCH_VENV) (1.1 GB, once) …"
	@$(PYTHON) -m venv --clear $(BENCH_VENV)
	@$(BENCH_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements-bench.lock
	@touch $@
