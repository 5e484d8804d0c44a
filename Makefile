PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo up test nightly soak lint audit sbom docs fuzz fuzz-api screenshots bench bench-accuracy gpu-report client lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/run ## find a ticket, stretch it, train it, on real data; then keep serving (ONCE=1: end after the table)
	$(BIN)/elasticket demo $(if $(ONCE),--once)

up: .venv/run ## start the service: API, pages, workers, embedded database and broker
	$(BIN)/elasticket up

test: .venv/dev ## run every test
	$(BIN)/pytest --numprocesses 3 --dist worksteal

nightly: .venv/dev ## run the tests that take minutes: every named study at its small scale, every crash point
	$(BIN)/pytest -m nightly -s

soak: .venv/dev ## kill processes at random for MINUTES (20) while JOBS (300) are done, then look what was lost
	$(BIN)/python -m bench.soak --minutes $(or $(MINUTES),20) --jobs $(or $(JOBS),300)

lint: .venv/dev ## check style, types and the floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: .venv/audit ## look for known vulnerabilities in what requirements.lock pins; needs the network
	$(BIN)/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict --progress-spinner off

sbom: .venv/audit ## list what is installed, with versions and licences, in build/sbom.json (CycloneDX)
	mkdir -p build
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json $(BIN)/python

docs: .venv/dev ## build the documents into build/site: pages that need no network
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --nitpicky --quiet docs build/site

fuzz: .venv/dev ## fuzz every reader of strangers' bytes, or READER=NAME, for MINUTES=30 each; the report goes to build/fuzz
	$(BIN)/python -m bench.fuzz $(READER) --minutes $(or $(MINUTES),30)

fuzz-api: .venv/dev ## send the API FUZZ_CASES=5000 generated requests, or more
	FUZZ_CASES=$(or $(FUZZ_CASES),5000) $(BIN)/pytest -s -n 0 tests/api/test_schemathesis.py

screenshots: .venv/dev ## pictures of every page into build/screenshots: desktop and phone, light and dark (needs Chromium)
	$(BIN)/python -m tests.e2e.screenshots build/screenshots

bench: .venv/dev ## measure against a plain reference, side by side
	$(BIN)/python -m bench.run $(PARTS)

bench-accuracy: .venv/dev ## train as well as the reference? DATASETS=DIR with the images, RESULTS=DIR for what is finished
	$(BIN)/python -m bench.accuracy $(DATASETS) $(RESULTS)

gpu-report: .venv/run ## speed, a full training and IMP on a GPU, a slice at a time: DATA=DIR OUT=DIR (docs/gpu.md)
	$(BIN)/python -m bench.gpu $(DATA) $(OUT) --epochs $(or $(EPOCHS),40) --seeds $(or $(SEEDS),1) \
		--seconds $(or $(SECONDS),500) $(if $(FULL),--full) $(if $(EXACT),--exact) $(if $(PIXELS),--pixels "$(PIXELS)")

client: .venv/dev ## write the Python client's types again, after a change of the API
	$(BIN)/python -m api.client_models

lock: .venv/dev ## pin what is installed now
	$(BIN)/pip freeze --exclude-editable | sed 's/+cpu//' > requirements.lock

clean: ## remove the environment and everything that was made
	rm -rf .venv .demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/python pyproject.toml requirements.lock
	$(BIN)/pip install --quiet --constraint requirements.lock --editable .
	@touch $@

.venv/audit: .venv/run
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[audit]'
	@touch $@

.venv/dev: .venv/run
	$(BIN)/pip install --quiet --constraint requirements.lock --editable '.[dev]'
	@touch $@
