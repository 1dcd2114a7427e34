# Everything happens in .venv; `make run` and `make test` set it up by themselves.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN    := .venv/bin
MODELS := out/tiny-models
# Without torchvision transformers says at each start that it does without.
QUIET  := TRANSFORMERS_VERBOSITY=error

.PHONY: run serve fuzz browser-test test seeds rounds soak check bench gpu-check image-test clean tiny-models docs lint types contracts

run: .venv/ready                      ## make the video of test_input.json into out/
	@MODELS_DIR=models OUTPUT_DIR=out RUNPOD_LOG_LEVEL=WARN $(BIN)/python handler.py

serve: .venv/ready                    ## a worker, the platform and the gateway here, and lines to try them
	@$(QUIET) $(BIN)/python -m serve --models models $(SERVE)

# A process a core, and a thread a process: a tiny network gains nothing from a second thread.
test: .venv/ready .venv-s3/ready       ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal

seeds: .venv/ready                     ## run ModelsLab's examples at full size (minutes on a CPU)
	$(BIN)/python -m pytest -m seeds --timeout 3600

rounds: .venv/ready                    ## run every model three times over, and watch memory
	$(BIN)/python -m pytest -m rounds -s

soak: .venv/ready                      ## hundreds of jobs in one worker, and watch what it leaves behind
	$(BIN)/python -m pytest -m soak -s --timeout 3600

SECONDS ?= 600
fuzz: .venv/ready .venv-fuzz/ready     ## throw requests at the gateway; SECONDS=60 for a short round
	$(BIN)/python -m tests.gateway.fuzz --seconds $(SECONDS)

# Needs Debian's chromium and chromium-driver.
browser-test: .venv/ready .venv-browser/ready   ## a person at the gateway's page, in a real browser
	$(BIN)/python -m tests.browser.against_serve --models models .venv-browser/bin/python -m tests.browser --picture docs/page.png

check: lint types contracts test       ## everything that must hold before a commit

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/ready
	$(BIN)/mypy

contracts: .venv/ready
	$(BIN)/lint-imports

gpu-check: .venv/ready                 ## each family at full size on random weights, setting by setting
	$(QUIET) $(BIN)/python -m bench.gpu_check

bench: .venv/ready                     ## speed, as ratios against what a user would do instead
	$(BIN)/python -m bench

image-test: .venv/ready                ## build the image without Docker, and have it do jobs; as root on Debian
	$(BIN)/python -m builder.image_test

docs: .venv/ready                      ## write the documents that follow from the code
	$(BIN)/python -m builder.api_docs
	$(BIN)/python -m builder.settings_docs
	$(BIN)/python -m builder.parameters_docs
	$(BIN)/python -m builder.models_docs
	$(BIN)/python -m builder.hub_files
	$(BIN)/python -m builder.gateway_docs
	@$(QUIET) $(BIN)/python -m builder.readme_docs

tiny-models: .venv/ready               ## random weights for every model, laid out as baked ones
	@$(QUIET) $(BIN)/python -m builder.tiny_models $(MODELS)

.venv/ready: builder/requirements.txt builder/requirements-gateway.txt builder/requirements-dev.txt
	@echo "Setting up .venv: a few minutes, once"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -q -r builder/requirements-dev.txt
	@touch $@

# What throws requests at the gateway, apart from what the gateway runs on.
.venv-fuzz/ready: tests/gateway/requirements-fuzz.txt
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --disable-pip-version-check -q -r tests/gateway/requirements-fuzz.txt
	@touch $@

# The S3 servers that tests store into, apart from what the worker runs on.
.venv-s3/ready: tests/s3/requirements.txt
	$(PYTHON) -m venv .venv-s3
	.venv-s3/bin/python -m pip install --disable-pip-version-check -q -r tests/s3/requirements.txt
	@touch $@

.venv-browser/ready: tests/browser/requirements.txt
	$(PYTHON) -m venv .venv-browser
	.venv-browser/bin/python -m pip install --disable-pip-version-check -q -r tests/browser/requirements.txt
	@touch $@

clean:                                 ## leave nothing but the sources
	rm -rf .venv .venv-s3 .venv-fuzz .venv-browser out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
