# One word for everything that a person needs; CI runs the same words.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format synth bench lock schema font render clean

# The first Python that the project supports; set PYTHON to choose another.
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $$each && break; done)
BIN := .venv/bin
READY := .venv/.ready

help: ## Show what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: $(READY) ## Make the development environment in .venv

$(READY): requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found; name one with PYTHON=…" >&2; exit 1; }
	@echo "Making the development environment (.venv) …"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(READY) ## Run the product on this machine and watch six requests (KEEP=1 leaves it running)
	@$(BIN)/python -m infra.local.demo $(if $(KEEP),--keep)

test: $(READY) ## Run all tests
	@$(BIN)/python -m pytest

check: $(READY) ## Format, lint, types and unit tests: under a minute
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/unit

format: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

synth: $(READY) ## Synthesize the CloudFormation template into cdk.out (ENVIRONMENT=dev)
	@$(BIN)/python -m infra.app --environment $(or $(ENVIRONMENT),dev)

bench: $(READY) ## Measure time and memory against base64 alone
	@$(BIN)/python -m tests.performance.bench

lock: $(READY) ## Lock the dependencies afresh, with hashes
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" layers/dependencies/requirements.in -o layers/dependencies/requirements.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --group dev \
		-c layers/dependencies/requirements.txt -o requirements-dev.txt

schema: $(READY) ## Publish the request's JSON Schema in events/
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.requests.schema > events/request.schema.json

render: $(READY) ## Show the ITK3 message FILE as a page (VIEW=clinical shows all)
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.documents.render "$(FILE)" --view $(or $(VIEW),administrative)

font: $(READY) ## Make the report's bold font again from the package of the variable one
	@$(BIN)/python -m infra.bold_font

clean: ## Remove everything that was made here
	rm -rf .venv .build cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis
