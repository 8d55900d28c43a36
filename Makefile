# Everything runs in .venv, made from requirements.lock on the first call and after each change of it.
# Needs Python 3.11+ and pip's index; no step comes before these.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
UV := .venv/uv/bin/uv

.PHONY: demo test check bench year schema lock clean
.DEFAULT_GOAL := demo

demo: $(READY)
	$(BIN)/doorstep demo $(ARGS)

test: $(READY)
	$(BIN)/pytest -n auto $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	set -e; for service in services/*; do $(BIN)/mypy $$service/tests/*.py; done
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

# 2,000 borrowers for a year in each of twelve jurisdictions, held against the rules by an independent checker.
year: $(READY)
	$(BIN)/python -m examples.year $(ARGS)

# The generated documents: JSON Schema of intake, event catalogue.
schema: $(READY)
	$(BIN)/doorstep schema

# requirements.lock pins every package by hash and names no index, so it works behind any mirror (docs/adr/0002).
lock: $(UV)
	$(UV) pip compile pyproject.toml --group dev --group bench --universal --generate-hashes --no-header --quiet \
		$(foreach p,doorstep doorstep-demo $(notdir $(wildcard services/*)),--no-emit-package $(p)) -o requirements.lock

clean:
	rm -rf .venv .doorstep

# uv lives in a venv of its own, so that a fresh machine needs nothing but Python and pip's index.
$(UV):
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

$(READY): $(UV) requirements.lock pyproject.toml shared/pyproject.toml demo/pyproject.toml $(wildcard services/*/pyproject.toml)
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --require-hashes -r requirements.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps $(foreach p,shared demo $(wildcard services/*),$(if $(wildcard $(p)/pyproject.toml),-e ./$(p)))
	touch $(READY)
