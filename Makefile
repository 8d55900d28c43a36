# Everything runs in .venv, made from requirements.lock on the first call and after each change of it.
# Needs Python 3.11+ and pip's index; no step comes before these.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
UV := .venv/uv/bin/uv
PROJECTS := $(wildcard pyproject.toml */pyproject.toml services/*/pyproject.toml)

.PHONY: help demo test check bench year faults schema version lock clean
.DEFAULT_GOAL := demo

help: ## this list; ARGS="..." passes arguments on
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## months of a synthetic portfolio in a minute, then the pages; what `make` alone does
	$(BIN)/doorstep demo $(ARGS)

test: $(READY) ## all tests, on all cores, and how much of the source they reach
	$(BIN)/pytest -n auto --cov --cov-report= $(ARGS)
	@echo "coverage: $$($(BIN)/coverage report --format=total) % of the lines (.venv/bin/coverage report names the others)"

check: $(READY) ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	set -e; for service in services/*; do $(BIN)/mypy $$service/tests/*.py; done
	$(BIN)/lint-imports

bench: $(READY) ## how fast it is, beside comparable systems
	$(BIN)/python -m benchmarks $(ARGS)

year: $(READY) ## 2,000 borrowers for a year in each of twelve jurisdictions, held against the rules by an independent checker
	$(BIN)/python -m examples.year $(ARGS)

faults: $(READY) ## real processes under a seeded schedule of faults, and which promises held; ARGS="--faults 1000"
	$(BIN)/python -m doorstep_faults $(ARGS)

schema: $(READY) ## the generated documents: JSON Schema of intake, event catalogue, OpenAPI
	$(BIN)/doorstep schema

version: ## the newest release of CHANGELOG.md becomes the version of every distribution
	sed -i.old 's/^version = .*/version = "$(shell sed -n 's/^## \([0-9.]*\) .*/\1/p' CHANGELOG.md | head -n1)"/' $(PROJECTS)
	rm -f $(PROJECTS:=.old)

# It names no index, so it works behind any mirror (docs/adr/0002).
lock: $(UV) ## requirements.lock: every package, pinned by its hashes
	$(UV) pip compile pyproject.toml --group dev --group bench --universal --generate-hashes --no-header --quiet \
		$(foreach p,doorstep doorstep-demo doorstep-faults $(notdir $(wildcard services/*)),--no-emit-package $(p)) -o requirements.lock

clean: ## away with .venv and the embedded systems
	rm -rf .venv .doorstep

# uv lives in a venv of its own, so that a fresh machine needs nothing but Python and pip's index.
$(UV):
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

$(READY): $(UV) requirements.lock $(PROJECTS)
	VIRTUAL_ENV=.venv $(UV) pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps $(patsubst %/pyproject.toml,-e ./%,$(filter-out pyproject.toml,$(PROJECTS)))
	touch $(READY)
